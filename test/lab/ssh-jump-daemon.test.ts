import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually } from "../support/lab/eventually.ts";
import { Lab } from "../support/lab/lab.ts";
import type { LabHost } from "../support/lab/lab-host.ts";
import { meshJson, runMesh } from "../support/lab/mesh-command.ts";
import { MeshPeer } from "../support/lab/mesh-peer.ts";
import { MeshServer } from "../support/lab/mesh-server.ts";
import { makeKey, StockSshd } from "../support/ssh/stock-sshd.ts";

// A peer that reaches the others by SSH through a stock OpenSSH server alone:
//
//   alice 10.0.0.2 ── bastion 10.0.0.1 | 203.0.113.2 ── coordinator 203.0.113.1, bob 203.0.113.3
//
// The bastion forwards packets to the coordinator's port only, and connections of who logs in.

const SSH_PORTS = [2200, 443];

let lab: Lab;
let sshd: StockSshd;
let aliceHost: LabHost;
let bob: MeshPeer;
let bobAddress: string;
let server: MeshServer;

beforeAll(async () => {
  lab = await Lab.open();
  const [bastion, bobHost, serverHost] = [await lab.host("bastion"), await lab.host("bob"), await lab.host("server")];
  aliceHost = await lab.host("alice");
  await lab.connect(
    { host: aliceHost, device: "eth0", addresses: ["10.0.0.2/24"] },
    { host: bastion, device: "in0", addresses: ["10.0.0.1/24"] },
  );
  await aliceHost.ip("route", "add", "default", "via", "10.0.0.1");
  const internet = await lab.segment("internet");
  await internet.attach(bastion, "out0", ["203.0.113.2/24"]);
  await internet.attach(bobHost, "eth0", ["203.0.113.3/24"]);
  await internet.attach(serverHost, "eth0", ["203.0.113.1/24"]);
  await bastion.sysctl("net.ipv4.ip_forward", 1);
  const onlyCoordinator = "ip daddr != 203.0.113.1 ct state new drop; ct state new tcp dport != 8443 drop;";
  await bastion.must(
    "nft",
    `table ip bastion {
      chain forward { type filter hook forward priority filter; iifname "out0" ct state new drop; ${onlyCoordinator} }
      chain leaving { type nat hook postrouting priority srcnat; oifname "out0" masquerade; }
    }`,
  );
  sshd = lab.use(await StockSshd.start({ on: { host: bastion, address: "10.0.0.1" } }));
  server = await MeshServer.start(serverHost, { publicUrl: "https://203.0.113.1:8443", args: ["--relay", "off"] });
  const ports = SSH_PORTS.flatMap((port) => ["--ssh-port", String(port)]);
  bob = await MeshPeer.join(bobHost, { server: server.url, ...(await server.createToken()), args: ports });
  bobAddress = (await bob.status()).self!.ip4;
});
afterAll(() => lab[Symbol.asyncDispose]());

function configured(knownHosts: string): string {
  const file = join(aliceHost.scratchDirectory, "peer.yaml");
  const jump = `jump: "root@10.0.0.1:${sshd.port}", identity: ${sshd.identityFile}, known_hosts: ${knownHosts}`;
  writeFileSync(file, `ssh: {${jump}}\nssh_port: off\n`);
  return file;
}

it("spends no token on a jump host whose files are of no use", async () => {
  const config = configured(sshd.write("empty", ""));
  const { token } = await server.createToken();
  const home = join(aliceHost.scratchDirectory, "peer");
  const { status, stderr } = await runMesh(aliceHost, home, "--json", "join", token, "--config", config);
  expect(status).toBe(1);
  expect(JSON.parse(stderr.trim().split("\n").at(-1) ?? "").error.code).toBe("ssh-host-key-unknown");
  expect(await meshJson(server.host, server.home, "token", "list")).toContainEqual(
    expect.objectContaining({ usesLeft: 1 }),
  );
});

it("joins with the jump host of its configuration file, and reaches a peer through it, on any of its SSH ports", async () => {
  expect(await bob.host.must("ss", "-Hltn")).toMatch(/:2200 [\s\S]*:443 |:443 [\s\S]*:2200 /);
  const config = configured(sshd.write("known_hosts", sshd.knownHostsLine()));
  const options = { server: server.url, ...(await server.createToken()), args: ["--config", config] };
  let alice = await MeshPeer.join(aliceHost, options);
  await eventually("alice reaches bob", () => aliceHost.pings(bobAddress), { timeoutMs: 30_000 });
  const { path, attempts } = (await alice.peer("bob"))!;
  expect(path).toMatchObject({ transport: "ssh", endpoint: expect.stringMatching(/^203\.0\.113\.3:(?:2200|443)$/) });
  const dial = attempts.find(({ cause }) => cause === "SSH was dialled");
  expect(dial?.candidates.filter(({ won }) => won)).toEqual([
    expect.objectContaining({ transport: "ssh", endpoint: path?.endpoint, outcome: "logged in" }),
  ]);
  expect(sshd.log).toMatch(/Accepted publickey for root from 10\.0\.0\.2/);

  // The settings of the join are those of later starts; a port that is closed costs nothing.
  expect(await alice.stop()).toBe(0);
  const taken = path?.endpoint.endsWith(":443") ? 443 : 2200;
  const input = `table inet shut { chain input { type filter hook input priority 0; tcp dport ${taken} drop; }; }`;
  await bob.host.must("nft", input);
  alice = await MeshPeer.up(alice);
  await eventually("alice reaches bob again", () => aliceHost.pings(bobAddress), { timeoutMs: 30_000 });
  const other = SSH_PORTS.find((port) => port !== taken);
  expect((await alice.peer("bob"))?.path?.endpoint).toBe(`203.0.113.3:${other}`);
  expect((await alice.status()).warnings).toEqual([]);
  expect(await alice.stop()).toBe(0);
});

it("says so when the jump host has another key, and does not log in", async () => {
  const stranger = await makeKey(join(aliceHost.scratchDirectory, "stranger"));
  const line = `[10.0.0.1]:${sshd.port} ${readFileSync(`${stranger}.pub`, "utf8")}`;
  const config = configured(sshd.write("changed", line));
  const logIns = () => sshd.log.match(/Accepted publickey/g)?.length;
  const before = logIns();
  await using alice = await MeshPeer.up({ host: aliceHost, home: `${aliceHost.scratchDirectory}/peer` }, [
    "--config",
    config,
  ]);
  const isTold = (text: string) => /the jump host .* is not the one in .*changed/.test(text);
  await eventually(
    "a warning tells why",
    async () => {
      await aliceHost.pings(bobAddress);
      return (await alice.status()).warnings.some(isTold);
    },
    { timeoutMs: 30_000 },
  );
  expect(logIns()).toBe(before);
  expect((await alice.peer("bob"))?.path).toBeNull();
});
