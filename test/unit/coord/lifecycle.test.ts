import { existsSync } from "node:fs";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { decodeJoinToken } from "../../../src/api/join-token.ts";
import { asMeshError, type MeshError } from "../../../src/base/errors.ts";
import { createAuthority, issueServerCertificate } from "../../../src/coord/certificates/ca.ts";
import { Coordinator } from "../../../src/coord/coordinator.ts";
import type { CoordinatorOptions } from "../../../src/coord/options.ts";
import { CoordinatorClient, makeKeys } from "../../support/coordinator-client.ts";
import { startCoordinator, temporaryHome } from "../../support/coordinator-fixture.ts";

let home: Awaited<ReturnType<typeof temporaryHome>>;

beforeEach(async () => {
  home = await temporaryHome();
});
afterEach(() => home[Symbol.asyncDispose]());

/** Starts on a free loopback port, expecting a refusal. */
async function refusal(options: Partial<CoordinatorOptions>): Promise<MeshError> {
  try {
    const coordinator = await Coordinator.start({ home: home.path, listen: ["127.0.0.1:0"], ...options });
    await coordinator.close();
  } catch (failure) {
    return asMeshError(failure);
  }
  throw new Error("it started");
}

async function modes(directory: string): Promise<Record<string, string>> {
  const names = await readdir(directory);
  const entries = names.map(async (name) => [name, ((await stat(join(directory, name))).mode & 0o777).toString(8)]);
  return Object.fromEntries(await Promise.all(entries));
}

describe("first run", () => {
  it("makes database, CA, CIDRs and one admin token that joins", async () => {
    const { coordinator, client, admin } = await startCoordinator(home.path);
    const { firstToken } = coordinator;
    expect(firstToken).toMatchObject({ admin: true, uses: 1, cidr: "members", state: "active" });
    expect(firstToken?.joinCommand).toBe(`mesh join ${firstToken?.token}`);
    expect(decodeJoinToken(firstToken!.token).urls).toEqual([client.url]);
    expect((await client.register(makeKeys(), "alice", firstToken!.token)).self.admin).toBe(true);
    expect(await admin.listTokens()).toHaveLength(1);
    expect(coordinator.network.cidr4).toBe("10.86.0.0/16");
    expect(coordinator.network.cidr6).toMatch(/^fd[0-9a-f:]+::\/48$/);
    await coordinator.close();

    const database = new Database(join(home.path, "coordinator", "coordinator.db"), { readonly: true });
    const cidrs = database.prepare("SELECT name, cidr4, role FROM cidrs ORDER BY id").all();
    database.close();
    expect(cidrs).toEqual([
      { name: "root", cidr4: "10.86.0.0/16", role: "root" },
      { name: "infra", cidr4: "10.86.0.0/24", role: "infra" },
      { name: "members", cidr4: "10.86.64.0/18", role: "default" },
    ]);
  });

  it("keeps every file for its owner alone", async () => {
    const { coordinator } = await startCoordinator(home.path);
    const directory = join(home.path, "coordinator");
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    expect(await modes(directory)).toEqual({
      "coordinator.db": "600",
      "coordinator.db-wal": "600",
      "admin.sock": "600",
    });
    await coordinator.close();
  });

  it("happens once: a second start has the same network, CA and peers, and no first token", async () => {
    const first = await startCoordinator(home.path);
    const keys = makeKeys();
    await first.client.register(keys, "alice", first.coordinator.firstToken!.token);
    await first.coordinator.close();
    const second = await startCoordinator(home.path);
    expect(second.coordinator.firstToken).toBeUndefined();
    expect(second.coordinator.network).toEqual(first.coordinator.network);
    expect(second.coordinator.caFingerprint).toBe(first.coordinator.caFingerprint);
    expect((await second.admin.listPeers()).map(({ name }) => name)).toEqual(["alice"]);
    expect((await second.client.register(keys, "alice")).resumed).toBe(true);
    await second.coordinator.close();
  });

  it("takes the name, domain and ranges that it is given, and later starts hold to them", async () => {
    const options = {
      name: "lab",
      domain: "lab.example",
      networkCidr4: "172.30.0.0/20",
      networkCidr6: "fd11:2233:4455::/48",
    };
    const { coordinator } = await startCoordinator(home.path, options);
    expect(coordinator.network).toMatchObject({
      name: "lab",
      domain: "lab.example",
      cidr4: "172.30.0.0/20",
      cidr6: "fd11:2233:4455::/48",
    });
    await coordinator.close();
    for (const change of [
      { name: "other" },
      { domain: "other" },
      { networkCidr4: "10.0.0.0/16" },
      { networkCidr6: "fd00::/48" },
    ]) {
      expect((await refusal(change)).code).toBe("bad-config");
    }
    await (await startCoordinator(home.path, options)).coordinator.close();
  });
});

describe("a start that cannot be", () => {
  it("is refused while another coordinator runs on the same home", async () => {
    const { coordinator, client } = await startCoordinator(home.path);
    expect((await refusal({})).code).toBe("already-running");
    expect((await client.call("GET", "/healthz")).status).toBe(200);
    await coordinator.close();
    await (await startCoordinator(home.path)).coordinator.close();
  });

  it("names the address that is in use, and leaves nothing running", async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
    const { port } = holder.address() as { port: number };
    const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;
    const timersBefore = timers();
    const error = await refusal({ listen: ["127.0.0.1:0", `127.0.0.1:${port}`] });
    expect(timers()).toBeLessThanOrEqual(timersBefore);
    expect(error.code).toBe("port-in-use");
    expect(error.message).toContain(`127.0.0.1:${port}`);
    await new Promise((resolve) => holder.close(resolve));
    await (await startCoordinator(home.path, { listen: [`127.0.0.1:${port}`] })).coordinator.close();
  });

  it("is refused with a code for each wrong option, before anything is written where that can be", async () => {
    const wrong: [Partial<CoordinatorOptions>, string][] = [
      [{ listen: ["nonsense"] }, "bad-config"],
      [{ listen: [":99999"] }, "bad-config"],
      [{ listen: ["192.0.2.1:0"] }, "bad-config"],
      [{ publicUrls: ["mesh.example.com"] }, "bad-config"],
      [{ publicUrls: ["ftp://mesh.example.com"] }, "bad-config"],
      [{ trustedProxies: ["everything"] }, "bad-cidr"],
      [{ tls: { certFile: "/nonexistent.pem", keyFile: "/nonexistent.key" } }, "bad-config"],
      [{ adminSocketPath: `/tmp/${"x".repeat(120)}.sock` }, "bad-config"],
    ];
    for (const [options, code] of wrong) expect([options, (await refusal(options)).code]).toEqual([options, code]);
    await using fresh = await temporaryHome();
    const network: [Partial<CoordinatorOptions>, string][] = [
      [{ name: "Not A Name" }, "bad-name"],
      [{ domain: "-.-" }, "bad-config"],
      [{ networkCidr4: "10.86.0.1/16" }, "bad-cidr"],
      [{ networkCidr4: "10.86.0.0/30" }, "bad-cidr"],
      [{ networkCidr4: "fd00::/48" }, "bad-cidr"],
      [{ networkCidr6: "10.86.0.0/16" }, "bad-cidr"],
      [{ networkCidr6: "fd00::/96" }, "bad-cidr"],
    ];
    for (const [options, code] of network) {
      expect([options, (await refusal({ home: fresh.path, ...options })).code]).toEqual([options, code]);
    }
  });

  it("tells a damaged database, and one that a later version wrote", async () => {
    const { coordinator } = await startCoordinator(home.path);
    await coordinator.close();
    const path = join(home.path, "coordinator", "coordinator.db");
    const database = new Database(path);
    database.exec("INSERT INTO migrations VALUES (999, 'from the future', 0)");
    database.close();
    expect((await refusal({})).code).toBe("store-too-new");
    await writeFile(path, "this is no database, whatever its name says".repeat(100));
    expect((await refusal({})).code).toBe("store-damaged");
    expect(await readFile(path, "utf8")).toContain("this is no database");
  });
});

describe("listening", () => {
  it("serves several addresses, and both families on one port", async () => {
    const { coordinator } = await startCoordinator(home.path, { tls: "off", listen: [":0", "127.0.0.1:0"] });
    const [both, one] = coordinator.addresses;
    for (const url of [`http://127.0.0.1:${both!.port}`, `http://127.0.0.1:${one!.port}`]) {
      expect((await new CoordinatorClient(url, undefined).call("GET", "/healthz")).status).toBe(200);
    }
    if (both!.host === "") {
      const overIpv6 = new CoordinatorClient(`http://[::1]:${both!.port}`, undefined);
      expect((await overIpv6.call("GET", "/healthz")).status).toBe(200);
    }
    await coordinator.close();
  });

  it("hands out the public URLs that it is given, and names their hosts in its certificate", async () => {
    const publicUrls = ["https://mesh.example.com", "https://192.0.2.10:8443/"];
    const { coordinator, firstToken } = await Coordinator.start({
      home: home.path,
      listen: ["127.0.0.1:0"],
      publicUrls,
    }).then((coordinator) => ({ coordinator, firstToken: coordinator.firstToken! }));
    expect(decodeJoinToken(firstToken.token).urls).toEqual(["https://mesh.example.com", "https://192.0.2.10:8443"]);
    const client = await CoordinatorClient.pinned(`https://127.0.0.1:${coordinator.addresses[0]!.port}`);
    const { call } = await import("../../support/coordinator-client.ts");
    const tls = { ...client.tls, servername: "mesh.example.com" };
    expect((await call({ url: `${client.url}/healthz`, tls })).status).toBe(200);
    await coordinator.close();
  });

  it("uses a certificate of one's own, and then puts no fingerprint into tokens", async () => {
    const authority = await createAuthority("test", Date.now());
    const issued = await issueServerCertificate(authority, ["mesh.example.com"], Date.now());
    const certFile = join(home.path, "cert.pem");
    const keyFile = join(home.path, "key.pem");
    await writeFile(certFile, issued.certificatePem);
    await writeFile(keyFile, issued.privateKeyPem);
    const coordinator = await Coordinator.start({
      home: home.path,
      listen: ["127.0.0.1:0"],
      tls: { certFile, keyFile },
    });
    expect(coordinator.caFingerprint).toBeNull();
    expect(decodeJoinToken(coordinator.firstToken!.token).caFingerprint).toBeUndefined();
    const client = new CoordinatorClient(coordinator.urls[0]!, authority.certificatePem);
    expect((await client.info()).caFingerprint).toBeNull();
    expect((await client.call("GET", "/v1/ca")).status).toBe(404);

    const live = { tlsFiles: { certFile, keyFile }, trustedProxies: [], metricsListen: [] };
    const other = await createAuthority("another", Date.now());
    const renewed = await issueServerCertificate(other, ["mesh.example.com"], Date.now());
    await writeFile(certFile, renewed.certificatePem);
    await expect(coordinator.reconfigure(live)).rejects.toMatchObject({ code: "bad-config" });
    expect((await client.info()).caFingerprint).toBeNull();
    await writeFile(keyFile, renewed.privateKeyPem);
    await coordinator.reconfigure(live);
    await expect(client.info()).rejects.toThrow();
    expect(await new CoordinatorClient(coordinator.urls[0]!, other.certificatePem).info()).toBeDefined();
    await coordinator.close();
    await writeFile(keyFile, "not a key");
    expect((await refusal({ tls: { certFile, keyFile } })).code).toBe("bad-config");
  });
});

describe("STUN", () => {
  it("is answered on the ports that it names, until the coordinator is closed", async () => {
    const { coordinator } = await startCoordinator(home.path, { stunListen: ["127.0.0.1:0"] });
    expect(coordinator.stunAddresses).toHaveLength(2);
    const ports = coordinator.stunAddresses.map(({ port }) => port);
    await using other = await temporaryHome();
    for (const port of ports) {
      const failure = await refusal({ home: other.path, stunListen: [`127.0.0.1:${port}`] });
      expect(failure.code).toBe("port-in-use");
    }
    await coordinator.close();
    for (const port of ports) {
      const again = await startCoordinator(home.path, { stunListen: [`127.0.0.1:${port}`, "127.0.0.1:0"] });
      expect(again.coordinator.stunAddresses[0]?.port).toBe(port);
      await again.coordinator.close();
    }
  });

  it("is off unless it is asked for", async () => {
    const { coordinator } = await startCoordinator(home.path);
    expect(coordinator.stunAddresses).toEqual([]);
    await coordinator.close();
    expect((await refusal({ stunListen: ["nonsense"] })).code).toBe("bad-config");
  });
});

describe("stopping", () => {
  it("tells connected peers, ends requests and leaves no socket", async () => {
    const { coordinator, client } = await startCoordinator(home.path);
    const keys = makeKeys();
    await client.register(keys, "alice", coordinator.firstToken!.token);
    const control = await client.connect(keys);
    const startMs = performance.now();
    await coordinator.close();
    expect(performance.now() - startMs).toBeLessThan(4_000);
    await control.untilClosed();
    expect([control.rejection, control.closeCode]).toEqual(["shutting-down", 1001]);
    await expect(client.call("GET", "/healthz")).rejects.toThrow();
    expect(existsSync(coordinator.adminSocketPath)).toBe(false);
    await coordinator.close();
  });

  it("cuts what does not end by itself", async () => {
    const { coordinator, client } = await startCoordinator(home.path, { tls: "off" }, { limits: { drainMs: 200 } });
    const stuck = client.openControl();
    await stuck.hello();
    stuck.socket.pause();
    const port = coordinator.addresses[0]!.port;
    const halfRequest = connect(port, "127.0.0.1");
    halfRequest.write("POST /v1/challenge HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{");
    const cut = new Promise((resolve) => halfRequest.on("close", resolve));
    halfRequest.on("error", () => {}).resume();
    await client.call("GET", "/healthz");
    const startMs = performance.now();
    await coordinator.close();
    expect(performance.now() - startMs).toBeLessThan(3_000);
    stuck.socket.terminate();
    await cut;
  });

  it("is not held up by a connection that never begins to speak TLS", async () => {
    const { coordinator } = await startCoordinator(home.path, {}, { limits: { drainMs: 200 } });
    const silent = connect(coordinator.addresses[0]!.port, "127.0.0.1");
    await new Promise((resolve) => silent.on("connect", resolve));
    const cut = new Promise((resolve) => silent.on("close", resolve));
    silent.on("error", () => {}).resume();
    const startMs = performance.now();
    await coordinator.close();
    expect(performance.now() - startMs).toBeLessThan(3_000);
    await cut;
  });

  it("answers what was asked before it", async () => {
    const { coordinator, client } = await startCoordinator(home.path, {}, { limits: { challengeBurst: 1000 } });
    const keys = makeKeys();
    const request = await client.registerRequest(keys, "alice", coordinator.firstToken!.token);
    const answer = client.send(request).then(
      ({ status }) => status,
      () => "refused",
    );
    await new Promise((resolve) => setImmediate(resolve));
    await coordinator.close();
    const outcome = await answer;
    const second = await startCoordinator(home.path);
    const names = (await second.admin.listPeers()).map(({ name }) => name);
    if (outcome === 200) expect(names).toEqual(["alice"]);
    else expect(outcome).toBe("refused");
    await second.coordinator.close();
  });
});
