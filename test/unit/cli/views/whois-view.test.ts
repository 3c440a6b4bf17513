import { expect, it } from "vitest";
import type { Status, StatusPeer } from "../../../../src/api/local.ts";
import { machineOf, renderMachine } from "../../../../src/cli/views/whois-view.ts";

const KEY = "STgJA48tuirqKnyNrAZXOkwHBW47KMnPdnxlGzGMVRg=";
const OTHER_KEY = "vRl4mJHm+cjd2dJ0iPoYV6WW7AK8WnixD2XlKYCQxiM=";
const self = { name: "alice", ip4: "10.86.64.1", ip6: "fd11:9fb:51db:4000::1", cidr: "members", publicKey: KEY };
const bob = { name: "bob", ip4: "10.86.64.2", ip6: "fd11:9fb:51db:4000::2", cidr: "members", publicKey: OTHER_KEY };
const path = { transport: "udp", endpoint: "192.0.2.3:51820" };
const peer = { ...bob, online: true, lastHandshakeAt: "2026-03-01T10:00:00.000Z", path } as StatusPeer;
const status = { self, peers: [peer] } as unknown as Status;

it.each(["bob", "10.86.64.2", "fd11:9fb:51db:4000::2", "FD11:09FB:51DB:4000:0:0:0:2", OTHER_KEY])(
  "%s is bob",
  (word) => {
    expect(machineOf(status, word)).toMatchObject({ name: "bob", peer });
  },
);

it("is told for people", () => {
  const nowMs = Date.parse("2026-03-01T10:00:09.000Z");
  expect(renderMachine(machineOf(status, "bob"), nowMs)).toBe(
    [
      "name        bob (members)",
      "address     10.86.64.2  fd11:9fb:51db:4000::2",
      `public key  ${OTHER_KEY}`,
      "online      yes",
      "path        udp 192.0.2.3:51820",
      "handshake   9 s ago",
    ].join("\n"),
  );
  expect(renderMachine(machineOf(status, KEY), nowMs)).toMatch(
    /^name {8}alice \(members\)[\s\S]*\nonline {6}this machine$/,
  );
});

it("is nobody in sight", () => {
  for (const word of ["carol", "10.86.64.9", "nonsense=", ""]) {
    expect(() => machineOf(status, word)).toThrow(expect.objectContaining({ code: "not-found", exitStatus: 5 }));
  }
});
