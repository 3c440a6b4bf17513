import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseYamlConfig } from "../../../src/api/parse-yaml-config.ts";
import { peerConfigSchema } from "../../../src/api/peer-config.ts";

const example = readFileSync(new URL("../../../configs/peer.yaml", import.meta.url), "utf8");

describe("configs/peer.yaml", () => {
  it("is valid as it stands, and changes nothing", () => {
    const parsed = parseYamlConfig(example, "peer.yaml", peerConfigSchema);
    expect(Object.values(parsed).every((value) => value === undefined)).toBe(true);
  });

  it("shows every key, and stays valid with all of them in force", () => {
    const uncommented = example.replaceAll(/^# ([a-z_]+: .*)$/gm, "$1");
    const parsed = parseYamlConfig(uncommented, "peer.yaml", peerConfigSchema);
    for (const [key, value] of Object.entries(parsed)) expect([key, value]).not.toEqual([key, undefined]);
  });
});

describe("SSH and the firewall mark in a peer's configuration", () => {
  const parse = (text: string) => parseYamlConfig(text, "peer.yaml", peerConfigSchema);
  const files = "identity: /a, known_hosts: /b";

  it.each([
    ["ssh_port: 22", { sshPorts: [22] }],
    ["ssh_port: [22, 443]", { sshPorts: [22, 443] }],
    ["ssh_port: off", { sshPorts: [] }],
    ["fwmark: 0x77", { fwmark: 0x77 }],
    ["fwmark: off", { fwmark: 0 }],
    ["ssh: {jump: off}", { sshJump: null }],
    [`ssh: {jump: user@bastion, ${files}}`, { sshJump: { user: "user", host: "bastion", port: 22 } }],
    [`ssh: {jump: "user@[2001:db8::1]:2022", ${files}}`, { sshJump: { host: "2001:db8::1", port: 2022 } }],
  ])("%s", (text, expected) => {
    expect(parse(text)).toMatchObject(expected);
  });

  it.each([
    "ssh_port: 0",
    "ssh_port: []",
    "ssh_port: [1, 2, 3, 4, 5, 6, 7, 8, 9]",
    "fwmark: -1",
    "fwmark: 0x100000000",
    `ssh: {jump: bastion, ${files}}`,
    `ssh: {jump: "user@bastion:0", ${files}}`,
    `ssh: {jump: "user@2001:db8::1", ${files}}`,
    "ssh: {jump: user@bastion, identity: /a}",
  ])("refuses %s, and names the line", (text) => {
    expect(() => parse(`\n${text}`)).toThrow(
      expect.objectContaining({ code: "bad-config", message: expect.stringMatching(/^peer\.yaml:2: /) }),
    );
  });
});
