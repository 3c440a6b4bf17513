import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { peerConfigSchema } from "../../../src/api/peer-config.ts";
import { parseYamlConfig } from "../../../src/api/yaml-config.ts";

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
