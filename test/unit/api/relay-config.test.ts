import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { parseYamlConfig } from "../../../src/api/parse-yaml-config.ts";
import { loadRelayConfig, relayConfigSchema } from "../../../src/api/relay-config.ts";
import { DEFAULT_RELAY_LIMITS } from "../../../src/relay/limits.ts";

const EXAMPLE = new URL("../../../configs/relay.yaml", import.meta.url).pathname;

it("takes the commented example, which states the defaults", async () => {
  const { relayLimits, ...config } = await loadRelayConfig(EXAMPLE);
  expect(config).toEqual({
    home: undefined,
    servers: undefined,
    token: undefined,
    tokenFile: undefined,
    name: undefined,
    listen: [":443"],
    stunListen: [":3478"],
    metricsListen: [],
    publicUrls: undefined,
    tls: "auto",
    trustedProxies: [],
    logFormat: "pretty",
    logLevels: {},
    verbose: false,
  });
  const { bytesPerSecond, framesPerSecond } = DEFAULT_RELAY_LIMITS;
  expect(relayLimits).toEqual({ mbitPerSecond: bytesPerSecond / 125_000, datagramsPerSecond: framesPerSecond });
});

it("has every key in the example, and a right value in every line that is commented out", async () => {
  const text = await readFile(EXAMPLE, "utf8");
  for (const key of Object.keys(relayConfigSchema.in.shape)) expect(text).toMatch(new RegExp(`^(# )?${key}:`, "m"));
  const keys = text.replace(/^# ((?:home|server|token|token_file|name|public_url): .*)$/gm, "$1");
  expect(parseYamlConfig(keys, EXAMPLE, relayConfigSchema)).toMatchObject({
    home: "/var/lib/mesh",
    servers: ["coordinator.example.com"],
    token: "mesh1_…",
    tokenFile: "/etc/mesh/relay-token",
    name: "berlin",
    publicUrls: ["https://relay.example.com"],
  });
});
