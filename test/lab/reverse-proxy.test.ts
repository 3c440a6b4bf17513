import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/lab/eventually.ts";
import { Lab } from "../support/lab/lab.ts";
import type { LabHost } from "../support/lab/lab-host.ts";
import { runMesh } from "../support/lab/mesh-command.ts";
import { MeshPeer } from "../support/lab/mesh-peer.ts";
import { MeshServer } from "../support/lab/mesh-server.ts";
import { startNginx } from "../support/lab/nginx.ts";
import { LabRelayClient, takeOver } from "../support/relay/lab-relay-client.ts";

// nginx ends TLS, and the coordinator behind it speaks plain HTTP on loopback: whoever listens there sees what the
// coordinator's process sees, its relay among it.

const PORT = 8443;
/** Without nginx, for who would speak in its place. */
const SIDE_DOOR = 8444;
const SERVER = "192.0.2.1";
const URL = `https://${SERVER}:443`;
const RELAY_URL = `wss://${SERVER}:443`;
const UNIT = "MESH";
/** A run of it says where plaintext is, also under the mask that a WebSocket client lays over its frames (RFC 6455 §5.3). */
const RUN_BYTES = 64;
const TRANSFER_BYTES = 512 * 1024;

let lab: Lab;
let server: MeshServer;
let authorityFile: string;
const hosts: LabHost[] = [];

beforeAll(async () => {
  lab = await Lab.open();
  const segment = await lab.segment("segment");
  const serverHost = await lab.host("server");
  await segment.attach(serverHost, "eth0", ["192.0.2.1/24"]);
  for (const [i, label] of ["alice", "bob", "carol"].entries()) {
    const host = await lab.host(label);
    await segment.attach(host, "eth0", [`192.0.2.${i + 2}/24`]);
    hosts.push(host);
  }
  authorityFile = await startNginx(serverHost, SERVER, `127.0.0.1:${PORT}`);
  server = await startServer(serverHost);
});
afterAll(() => lab[Symbol.asyncDispose]());

function startServer(host: LabHost): Promise<MeshServer> {
  const config = join(host.scratchDirectory, "server.yaml");
  writeFileSync(config, "tls: off\ntrusted_proxies: [127.0.0.1/32]\n");
  const listen = ["--listen", `127.0.0.1:${PORT}`, "--listen", `${SERVER}:${SIDE_DOOR}`];
  return MeshServer.start(host, { publicUrl: URL, args: ["--config", config, ...listen] });
}

/** By the token alone: it names nginx, and no CA. */
async function joinBehindProxy(host: LabHost): Promise<MeshPeer> {
  const { token } = await server.createToken();
  const wrapper = ["env", `SSL_CERT_FILE=${authorityFile}`];
  return MeshPeer.join(host, { server: server.url, token, args: ["--transports", "relay"], wrapper });
}

let captures = 0;

/** Records a device; ends with what was recorded. */
async function startCapture(host: LabHost, device: string, filter: string): Promise<() => Promise<Buffer>> {
  const file = join(host.scratchDirectory, `capture-${++captures}.pcap`);
  const args = ["-Z", "root", "-i", device, "-s", "0", "-B", "16384", "-U", "--immediate-mode", "-w", file, filter];
  const capture = await host.start("tcpdump", args);
  await capture.waitForOutput(/listening on/);
  return async () => {
    await capture.stop("SIGINT");
    return readFileSync(file);
  };
}

/** The longest stretch in which every byte equals the one four before it, zeros and other single bytes aside. */
function longestRun(bytes: Buffer): number {
  let longest = 0;
  let start = 0;
  for (let at = 4; at < bytes.length; at++) {
    if (bytes[at] !== bytes[at - 4]) start = at - 3;
    else if (at - start >= longest && bytes[at] !== bytes[at - 1]) longest = at - start + 1;
  }
  return longest;
}

/** Over one TCP connection; resolves when the last byte has arrived. */
async function transfer(from: LabHost, to: LabHost, address: string): Promise<void> {
  const listen = `let size = 0; require("node:net").createServer((socket) => socket.on("data", (chunk) => {
    size += chunk.length; if (size === ${TRANSFER_BYTES}) { console.log("all"); process.exit(); }
  })).listen(9000, () => console.log("listening"));`;
  const receiving = await to.start(process.execPath, ["-e", listen]);
  await receiving.waitForOutput(/listening/);
  const send = `require("node:net").connect(9000, ${JSON.stringify(address)}).end(${JSON.stringify(UNIT)}.repeat(${TRANSFER_BYTES / UNIT.length}));`;
  await from.must(process.execPath, "-e", send);
  await receiving.waitForOutput(/all/);
}

describe("a coordinator behind nginx", () => {
  it("is not believed in without nginx's CA", async () => {
    const { token } = await server.createToken();
    const { status, stderr } = await runMesh(
      hosts[0]!,
      `${hosts[0]!.scratchDirectory}/doubter`,
      "--json",
      "join",
      token,
    );
    expect(status).toBe(1);
    expect(JSON.parse(stderr.trim().split("\n").at(-1) ?? "").error.code).toBe("certificate-untrusted");
  });

  it("relays, sees nothing of what it carries, and carries nothing between peers that policy separates", async () => {
    const joining = [joinBehindProxy(hosts[0]!), joinBehindProxy(hosts[1]!), joinBehindProxy(hosts[2]!)] as const;
    const [alice, bob, carol] = await Promise.all(joining);
    const bobAddress = (await bob.status()).self!.ip4;
    await eventually("alice reaches bob", () => alice.host.pings(bobAddress));
    expect((await alice.peer("bob"))?.path?.transport).toBe("relay");

    const endAtRelay = await startCapture(server.host, "lo", `tcp port ${PORT}`);
    const endInside = await startCapture(alice.host, "mesh0", "tcp port 9000");
    await transfer(alice.host, bob.host, bobAddress);
    const [atRelay, inside] = [await endAtRelay(), await endInside()];
    expect(longestRun(inside)).toBeGreaterThan(1000);
    // In from alice and out to bob.
    expect(atRelay.length).toBeGreaterThan(2 * TRANSFER_BYTES);
    expect(longestRun(atRelay)).toBeLessThan(RUN_BYTES);

    // Peers that send plaintext would be seen, either way; these have the keys of bob and carol.
    const [bobId, carolId] = [await takeOver(bob), await takeOver(carol)];
    const endIncoming = await startCapture(server.host, "lo", `tcp dst port ${PORT}`);
    const endOutgoing = await startCapture(server.host, "lo", `tcp src port ${PORT}`);
    {
      await using clients = await talkers();
      clients.carol.say(bobId, UNIT.repeat(100));
      // Alice's daemon goes on talking to bob's key meanwhile.
      const words = () => clients.bob.frames.find(({ text }) => text.startsWith(UNIT));
      await eventually("carol's words reach bob", () => words() !== undefined);
      expect(words()?.from).toBe(carolId.wireguardKey);
    }
    for (const end of [endIncoming, endOutgoing]) expect(longestRun(await end())).toBeGreaterThanOrEqual(RUN_BYTES);

    // Where somebody comes from is what nginx says, and nobody else, whatever they say to nginx.
    expect(alice.process.stderr).toContain("192.0.2.2");
    const headers = { "X-Forwarded-For": "203.0.113.7" };
    const observed = { [RELAY_URL]: "192.0.2.3", [`ws://${SERVER}:${SIDE_DOOR}`]: "192.0.2.3" };
    for (const [url, address] of Object.entries(observed)) {
      await using client = await LabRelayClient.talking(bob.host, { url, as: [bobId], headers });
      expect(client.observedAddress).toBe(address);
    }

    // Apart from now on: both are peers of the network still, and see others, but not each other.
    await server.stop();
    moveApart(join(server.home, "coordinator", "coordinator.db"), "carol");
    server = await startServer(server.host);
    {
      await using clients = await talkers();
      clients.carol.say(bobId, "secret");
      clients.bob.say(carolId, "secret");
      await eventually("each is told that the other is not there", () => {
        return clients.carol.misses(bobId) && clients.bob.misses(carolId);
      });
      const senders = (client: LabRelayClient) => client.frames.map(({ from }) => from);
      expect(senders(clients.bob)).not.toContain(carolId.wireguardKey);
      expect(senders(clients.carol)).not.toContain(bobId.wireguardKey);
    }

    async function talkers() {
      const bobClient = await LabRelayClient.talking(bob.host, { url: RELAY_URL, as: [bobId] });
      const carolClient = await LabRelayClient.talking(carol.host, { url: RELAY_URL, as: [carolId] });
      return {
        bob: bobClient,
        carol: carolClient,
        [Symbol.asyncDispose]: async () => {
          await bobClient[Symbol.asyncDispose]();
          await carolClient[Symbol.asyncDispose]();
        },
      };
    }
  }, 120_000);
});

/** Moves a peer into a CIDR of its own, as an admin will be able to. */
function moveApart(file: string, name: string): void {
  const database = new Database(file);
  database.exec(`
    INSERT INTO cidrs (name, cidr4, cidr6, parent_id, enabled, role, next_host, created_at)
      SELECT 'apart', '10.86.200.0/24', 'fd86:200::/64', parent_id, 1, NULL, 1, created_at FROM cidrs WHERE role = 'default';
    UPDATE peers SET cidr_id = (SELECT id FROM cidrs WHERE name = 'apart') WHERE name = '${name}';
  `);
  database.close();
}
