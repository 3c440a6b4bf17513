import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { errorBodySchema } from "../../src/api/error-body.ts";
import { Lab } from "../support/lab/lab.ts";
import type { LabHost } from "../support/lab/lab-host.ts";
import { startMesh } from "../support/lab/mesh-command.ts";

const REFUSE_IPV6 = fileURLToPath(new URL("../support/lab/refuse-ipv6.mjs", import.meta.url));

describe("where a coordinator listens", () => {
  let lab: Lab;
  let client: LabHost;
  let server: LabHost;
  let homes = 0;

  beforeAll(async () => {
    lab = await Lab.open();
    client = await lab.host("client");
    server = await lab.host("server");
    await lab.connect(
      { host: client, device: "eth0", addresses: ["192.0.2.2/24", "2001:db8::2/64"] },
      { host: server, device: "eth0", addresses: ["192.0.2.1/24", "2001:db8::1/64"] },
    );
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  function serve(listen: string, env: NodeJS.ProcessEnv = {}, ...args: string[]) {
    const home = `${server.scratchDirectory}/home${++homes}`;
    return startMesh(server, home, ["--json", "serve", "--listen", listen, ...args], env);
  }

  async function urlsOf(process: Awaited<ReturnType<typeof serve>>): Promise<string[]> {
    const [line] = await process.waitForOutput(/^.*"event":"ready".*$/m);
    return JSON.parse(line).urls;
  }

  /** What an unauthenticated client gets there, from another host. */
  const fetched = (url: string) => client.must("curl", "-gsSk", "--noproxy", "*", "--max-time", "10", url);

  it("on every address of both families", async () => {
    const config = `${server.scratchDirectory}/server.yaml`;
    writeFileSync(config, "metrics_listen: 192.0.2.1:9586\n");
    const process = await serve(":8443", {}, "--config", config);
    expect(await urlsOf(process)).toEqual(["https://192.0.2.1:8443", "https://[2001:db8::1]:8443"]);
    const everywhere = ["https://192.0.2.1:8443", "https://[2001:db8::1]:8443", "http://192.0.2.1:9586"];
    for (const url of everywhere) expect(await fetched(`${url}/healthz`)).toBe('{"status":"ok"}');

    // SIGHUP: what can be taken up is, what cannot is named, and a file with a fault changes nothing.
    writeFileSync(config, "metrics_listen: 192.0.2.1:9587\nname: other\n");
    process.signal("SIGHUP");
    await process.waitForOutput(/with the next start, not before: name/);
    expect(await fetched("http://192.0.2.1:9587/healthz")).toBe('{"status":"ok"}');
    writeFileSync(config, "metrics_listen: 192.0.2.1:9588\ncolour: red\n");
    process.signal("SIGHUP");
    await process.waitForOutput(/the configuration is not taken up.*server\.yaml:2: /);
    for (const url of [...everywhere.slice(0, 2), "http://192.0.2.1:9587"])
      expect(await fetched(`${url}/healthz`)).toBe('{"status":"ok"}');
    expect(await process.stop()).toBe(0);
  });

  it("tells who asks in plain HTTP to ask in HTTPS", async () => {
    const process = await serve(":8443");
    await urlsOf(process);
    for (const url of ["http://192.0.2.1:8443/", "http://[2001:db8::1]:8443/v1/info"]) {
      const { error } = errorBodySchema.parse(JSON.parse(await fetched(url)));
      expect([error.code, error.hint]).toEqual(["bad-request", "Begin the URL with https://."]);
    }
    expect(await process.stop()).toBe(0);
  });

  it("on every IPv4 address where the kernel has no IPv6 sockets", async () => {
    const env = { NODE_OPTIONS: `--import=${REFUSE_IPV6}` };
    const process = await serve(":8443", env);
    const urls = await urlsOf(process);
    expect(urls).toEqual(["https://192.0.2.1:8443"]);
    expect(await fetched(`${urls[0]}/healthz`)).toBe('{"status":"ok"}');
    expect(await process.stop()).toBe(0);

    const named = await serve("[::]:8443", env);
    expect(await named.exited).toBe(2);
    const { error } = errorBodySchema.parse(JSON.parse(named.stderr.trim().split("\n").at(-1) ?? ""));
    expect([error.code, error.message]).toEqual(["bad-config", expect.stringContaining("EAFNOSUPPORT")]);
  });

  it("on every IPv4 address where IPv6 is switched off", async () => {
    await server.disableIpv6();
    const process = await serve(":8443");
    const urls = await urlsOf(process);
    expect(urls).toEqual(["https://192.0.2.1:8443"]);
    expect(await fetched(`${urls[0]}/healthz`)).toBe('{"status":"ok"}');
    expect(await process.stop()).toBe(0);
  });
});
