import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseYamlConfig } from "../../../src/api/parse-yaml-config.ts";
import { loadServerConfig, serverConfigSchema } from "../../../src/api/server-config.ts";
import { MeshError } from "../../../src/base/errors.ts";
import { temporaryHome } from "../../support/coordinator-fixture.ts";

const parse = (text: string) => parseYamlConfig(text, "server.yaml", serverConfigSchema);

function faultOf(text: string): string {
  try {
    parse(text);
  } catch (failure) {
    expect(failure).toMatchObject({ code: "bad-config" });
    return (failure as MeshError).message;
  }
  throw new Error("it was taken");
}

const EXAMPLE = new URL("../../../configs/server.yaml", import.meta.url);

describe("server configuration", () => {
  it("takes the commented example, which states the defaults", async () => {
    expect(await loadServerConfig(EXAMPLE.pathname)).toEqual({
      home: undefined,
      adminSocketPath: undefined,
      listen: [":8443"],
      stunListen: [":3478"],
      metricsListen: [],
      publicUrls: undefined,
      name: "mesh",
      domain: "mesh",
      networkCidr4: "10.86.0.0/16",
      networkCidr6: undefined,
      tls: "auto",
      relay: true,
      join: false,
      relayLimits: { mbitPerSecond: 512, datagramsPerSecond: 50_000 },
      trustedProxies: [],
      logFormat: "pretty",
      logLevels: {},
      verbose: false,
    });
  });

  it("has every key in the example, set or commented out, and each commented-out value is valid", async () => {
    const text = await readFile(EXAMPLE, "utf8");
    for (const key of Object.keys(serverConfigSchema.in.shape)) expect(text).toMatch(new RegExp(`^(# )?${key}:`, "m"));
    const lines = text.match(/^# (home|admin_socket|public_url|network_cidr6): \S.*$/gm) ?? [];
    expect(lines).toHaveLength(3);
    for (const line of lines) parse(line.slice(2));
  });

  it("takes one address or URL without a list, and a certificate's files", () => {
    expect(parse('listen: "[::1]:0"\npublic_url: https://mesh.example.com/\n')).toMatchObject({
      listen: ["[::1]:0"],
      publicUrls: ["https://mesh.example.com"],
    });
    expect(parse("tls: {cert: a.pem, key: b.pem}").tls).toEqual({ certFile: "a.pem", keyFile: "b.pem" });
    expect(parse("tls: off").tls).toBe("off");
    expect(parse("relay: off").relay).toBe(false);
    expect(["on", "off", "true", "gateway"].map((word) => parse(`join: ${word}`).join)).toEqual([
      true,
      false,
      true,
      "gateway",
    ]);
    expect(parse("relay: true").relay).toBe(true);
    expect(parse("").listen).toBeUndefined();
  });

  it("takes STUN addresses, or off, and nothing between", () => {
    expect(parse('stun_listen: "127.0.0.1:0"').stunListen).toEqual(["127.0.0.1:0"]);
    expect(parse("stun_listen: [':3478', '[::1]:9']").stunListen).toEqual([":3478", "[::1]:9"]);
    for (const off of ["off", "false", '"off"']) expect(parse(`stun_listen: ${off}`).stunListen).toEqual([]);
    for (const wrong of ["on", "true", "3478", "[]", "[off]", "[':3478', 'off']", "':65536'"]) {
      expect(faultOf(`name: mesh\nstun_listen: ${wrong}\n`)).toMatch(/^server\.yaml:2: stun_listen/);
    }
  });

  it("names the line of an unknown key, also of a nested one", () => {
    expect(faultOf("name: mesh\n\n# comment\nlisten_port: 8443\n")).toBe('server.yaml:4: unknown key "listen_port"');
    expect(faultOf("tls:\n  cert: a\n  key: b\n  chain: c\n")).toBe('server.yaml:4: unknown key "chain"');
  });

  it("names the line of each wrong value, all at once", () => {
    const lines = faultOf("name: Mesh\nlisten:\n  - ':8443'\n  - nonsense\ntls: maybe\nverbose: loud\n").split("\n");
    expect(lines.map((line) => line.split(": ")[0])).toEqual([
      "server.yaml:1",
      "server.yaml:4",
      "server.yaml:5",
      "server.yaml:6",
    ]);
  });

  it("names the line of a syntax error, a double key and a runaway alias", () => {
    expect(faultOf("name: mesh\nlisten: [':1'\n")).toMatch(/^server\.yaml:\d+: /);
    expect(faultOf("name: mesh\nname: other\n")).toMatch(/^server\.yaml:2: /);
    const bomb = ["a: &a [x, x, x, x, x, x, x, x, x, x]"];
    for (let i = 0; i < 10; i++) {
      const previous = String.fromCharCode(97 + i);
      const name = String.fromCharCode(98 + i);
      bomb.push(`${name}: &${name} [${new Array(10).fill(`*${previous}`).join(", ")}]`);
    }
    expect(faultOf(bomb.join("\n"))).toContain("server.yaml");
    expect(faultOf("x".repeat(2_000_000))).toContain("1 MiB");
  });

  it("knows nothing but configurations and bad-config", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.string().map((text) => `name: ${text}`),
        ),
        (text) => {
          try {
            parse(text);
          } catch (failure) {
            expect(failure).toBeInstanceOf(MeshError);
            expect(failure).toMatchObject({ code: "bad-config" });
          }
        },
      ),
    );
  });

  it("tells a file that is missing from one that cannot be read", async () => {
    await using home = await temporaryHome();
    await expect(loadServerConfig(join(home.path, "none.yaml"))).rejects.toMatchObject({ code: "not-found" });
    await expect(loadServerConfig(home.path)).rejects.toMatchObject({ code: "bad-config" });
    await writeFile(join(home.path, "a.yaml"), "name: ok\n");
    expect((await loadServerConfig(join(home.path, "a.yaml"))).name).toBe("ok");
  });
});
