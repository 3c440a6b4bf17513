import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeJoinToken, encodeJoinToken, type JoinToken } from "../../src/api/join-token.ts";
import { eventually } from "../support/lab/eventually.ts";
import type { LabHost } from "../support/lab/lab-host.ts";
import { runMesh } from "../support/lab/mesh-command.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";

describe("what can go wrong with a join is told, with a code and an exit status", () => {
  let network: SmallNetwork;
  let host: LabHost;
  let homes = 0;

  beforeAll(async () => {
    network = await SmallNetwork.open("bob", "alice");
    host = network.host("bob");
  });
  afterAll(() => network[Symbol.asyncDispose]());

  const freshHome = () => `${host.scratchDirectory}/home${++homes}`;

  async function joinFails(...args: string[]) {
    const result = await runMesh(host, freshHome(), "--json", "join", "--listen-port", "0", ...args);
    return { exit: result.status, code: errorCode(result.stderr) };
  }

  async function altered(change: Partial<JoinToken>): Promise<string> {
    const { token } = await network.server.createToken();
    return encodeJoinToken({ ...decodeJoinToken(token), ...change });
  }

  it("a wrong token", async () => {
    expect(await joinFails(await altered({ secret: "A".repeat(43) }))).toEqual({ exit: 4, code: "token-unknown" });
    expect(await joinFails(await altered({ id: "0".repeat(32) }))).toEqual({ exit: 4, code: "token-unknown" });
  });

  it("an expired token", async () => {
    const { token } = await network.server.createToken({ expiresInSeconds: 1 });
    const { id } = decodeJoinToken(token);
    await eventually("it expires", async () => {
      const { stdout } = await runMesh(network.serverHost, network.server.home, "token", "list", "--json");
      const listed: { id: string; state: string }[] = JSON.parse(stdout);
      return listed.some((entry) => entry.id === id && entry.state === "expired");
    });
    expect(await joinFails(token)).toEqual({ exit: 4, code: "token-expired" });
  });

  it("a revoked token, and one to revoke that is not there", async () => {
    const { id, token } = await network.server.createToken();
    const revoke = await runMesh(network.serverHost, network.server.home, "token", "revoke", id);
    expect(revoke.status).toBe(0);
    expect(await joinFails(token)).toEqual({ exit: 4, code: "token-revoked" });
    const unknown = await runMesh(network.serverHost, network.server.home, "--json", "token", "revoke", "0".repeat(32));
    expect({ exit: unknown.status, code: errorCode(unknown.stderr) }).toEqual({ exit: 5, code: "not-found" });
  });

  it("another CA than the token's", async () => {
    const caFingerprint = createHash("sha256").update("another").digest("hex");
    expect(await joinFails(await altered({ caFingerprint }))).toEqual({ exit: 1, code: "ca-mismatch" });
    expect(await joinFails(await altered({ caFingerprint: undefined }))).toEqual({
      exit: 1,
      code: "certificate-untrusted",
    });
  });

  it("a coordinator that is not there, a wrong port, plain HTTP", async () => {
    const { token } = await network.server.createToken();
    expect(await joinFails(token, "--server", "192.0.2.1:9")).toEqual({ exit: 1, code: "coordinator-unreachable" });
    expect(await joinFails(token, "--server", "192.0.2.77")).toEqual({ exit: 1, code: "coordinator-unreachable" });
    expect(await joinFails(token, "--server", "http://192.0.2.1")).toEqual({ exit: 2, code: "bad-usage" });
    const script =
      "require('node:http').createServer((q,s)=>s.end('hi')).listen(8080,()=>console.log('up'));" +
      "require('node:net').createServer(s=>s.end('SSH-2.0-x\\r\\n')).listen(2222)";
    const web = await network.serverHost.start(process.execPath, ["-e", script]);
    await web.waitForOutput(/up/);
    expect(await joinFails(token, "--server", "192.0.2.1:8080")).toEqual({ exit: 1, code: "plain-http" });
    expect(await joinFails(token, "--server", "192.0.2.1:2222")).toEqual({ exit: 1, code: "not-a-coordinator" });
    await web.kill();
  });

  it("a used token and a taken name, once somebody has joined", async () => {
    const { token } = await network.server.createToken();
    const alice = await network.join("alice", { token });
    expect(await joinFails(token, "--name", "second")).toEqual({ exit: 4, code: "token-used" });
    const fresh = await network.server.createToken();
    expect(await joinFails(fresh.token, "--name", "alice")).toEqual({ exit: 6, code: "name-taken" });
    expect(await joinFails("--server", "192.0.2.1")).toEqual({ exit: 1, code: "certificate-untrusted" });

    const { token: another } = await network.server.createToken();
    const second = await runMesh(alice.host, alice.home, "--json", "join", another);
    expect({ exit: second.status, code: errorCode(second.stderr) }).toEqual({ exit: 6, code: "already-running" });
    expect((await alice.status()).state).toBe("running");
    expect(await alice.stop()).toBe(0);
  });

  it("a port and an interface that somebody has already; the token is not spent on it", async () => {
    const { token } = await network.server.createToken({ uses: 1 });
    const script = "require('node:dgram').createSocket('udp4').bind(51820, () => console.log('bound'))";
    const holder = await host.start(process.execPath, ["-e", script]);
    await holder.waitForOutput(/bound/);
    expect(await joinFails(token, "--listen-port", "51820")).toEqual({ exit: 6, code: "port-in-use" });
    await holder.kill();
    await host.ip("link", "add", "mesh0", "type", "bridge");
    expect(await joinFails(token, "--interface", "mesh0")).toEqual({ exit: 6, code: "interface-taken" });
    await host.ip("link", "delete", "mesh0");
    const { stdout } = await runMesh(network.serverHost, network.server.home, "token", "list", "--json");
    const { id } = decodeJoinToken(token);
    expect(JSON.parse(stdout).find((listed: { id: string }) => listed.id === id)).toMatchObject({ usesLeft: 1 });
  });

  it("a mesh whose range a local network has", async () => {
    await host.ip("link", "add", "lan0", "type", "bridge");
    await host.ip("address", "add", "10.86.3.1/24", "dev", "lan0");
    await host.ip("link", "set", "lan0", "up");
    const { token } = await network.server.createToken();
    expect(await joinFails(token, "--name", "clash")).toEqual({ exit: 6, code: "range-conflict" });
    await host.ip("link", "delete", "lan0");
  });

  it("no TUN device, no root, no capability", async () => {
    const { token } = await network.server.createToken({ uses: null });
    const join = ["dist/bundle/main.js", "--home", freshHome(), "--json", "join", token, "--name", "bare"];
    const noTun = await host.run(
      "unshare",
      "-m",
      "sh",
      "-c",
      'mount -t tmpfs none /dev/net && exec "$0" "$@"',
      process.execPath,
      ...join,
    );
    expect({ exit: noTun.status, code: errorCode(noTun.stderr) }).toEqual({ exit: 1, code: "no-tun-device" });
    const noCapability = await host.run(
      "setpriv",
      "--bounding-set",
      "-net_admin",
      "--inh-caps",
      "-net_admin",
      process.execPath,
      ...join,
    );
    expect({ exit: noCapability.status, code: errorCode(noCapability.stderr) }).toEqual({
      exit: 4,
      code: "missing-capability",
    });
    const nobody = await host.run("setpriv", "--reuid", "65534", "--clear-groups", process.execPath, ...join);
    expect({ exit: nobody.status, code: errorCode(nobody.stderr) }).toEqual({ exit: 4, code: "missing-capability" });
  });
});

function errorCode(stderr: string): unknown {
  const last = stderr.trim().split("\n").at(-1) ?? "";
  try {
    return JSON.parse(last).error.code;
  } catch {
    return last;
  }
}
