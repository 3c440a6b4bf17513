import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../support/lab/eventually.ts";
import { Lab } from "../support/lab/lab.ts";
import type { LabHost } from "../support/lab/lab-host.ts";
import { makeRouter } from "../support/lab/lab-router.ts";
import type { LabSegment } from "../support/lab/lab-segment.ts";
import { MeshPeer } from "../support/lab/mesh-peer.ts";
import { MeshServer } from "../support/lab/mesh-server.ts";

// Two peers behind home routers call each other: both send at once, and both routers let in who was spoken to.

const SERVER_URL = "https://203.0.113.1:8443";
const SSH_PORT = 2222;
/** What docs/nat.md promises for a pair of easy NATs. */
const DIRECT_LIMIT_MS = 15_000;

let lab: Lab;
let internet: LabSegment;
let serverHost: LabHost;

beforeEach(async () => {
  lab = await Lab.open();
  internet = await lab.segment("internet");
  serverHost = await lab.host("server");
  await internet.attach(serverHost, "eth0", ["203.0.113.1/24"]);
});
afterEach(() => lab[Symbol.asyncDispose]());

const serve = (...args: string[]) => MeshServer.start(serverHost, { publicUrl: SERVER_URL, args });

/** A host with a home router of its own, outside at 203.0.113.`site`, which forwards the SSH port where that is asked for. */
async function atHome(label: string, site: number, { forwardsSsh = false } = {}): Promise<LabHost> {
  const [host, router] = [await lab.host(label), await lab.host("router")];
  await internet.attach(router, "out0", [`203.0.113.${site}/24`]);
  await lab.connect(
    { host: router, device: "in0", addresses: [`10.${site}.0.1/24`] },
    { host, device: "eth0", addresses: [`10.${site}.0.2/24`] },
  );
  await host.ip("route", "add", "default", "via", `10.${site}.0.1`);
  await makeRouter(router, { nat: "port-restricted", outside: "out0", inside: "in0" });
  if (forwardsSsh) {
    await router.must("nft", "insert rule ip guard forward tcp dport 2222 accept");
    const hook = "type nat hook prerouting priority dstnat;";
    const rule = `iifname out0 tcp dport ${SSH_PORT} dnat to 10.${site}.0.2`;
    await router.must("nft", `table ip forwarding { chain prerouting { ${hook} ${rule}; }; }`);
  }
  return host;
}

async function join(server: MeshServer, host: LabHost, ...args: string[]): Promise<MeshPeer> {
  const { token } = await server.createToken();
  return MeshPeer.join(host, { server: server.url, token, args });
}

function uses(peer: MeshPeer, name: string, transport: string, at = ""): Promise<unknown> {
  const isIt = async () => {
    const path = (await peer.peer(name))?.path;
    return path?.transport === transport && path.endpoint.startsWith(at);
  };
  const options = { timeoutMs: DIRECT_LIMIT_MS, intervalMs: 100 };
  return eventually(`${peer.host.label} reaches ${name} by ${transport} ${at}`, isIt, options);
}

describe("peers that call each other", () => {
  it("get through two home routers without a relay and without SSH", async () => {
    const server = await serve("--relay", "off");
    const alice = await join(server, await atHome("alice", 10), "--transports", "udp");
    const bob = await join(server, await atHome("bob", 20), "--transports", "udp");
    const { ip4 } = (await bob.status()).self!;
    await eventually("alice reaches bob", () => alice.host.pings(ip4), { timeoutMs: DIRECT_LIMIT_MS });
    await Promise.all([uses(alice, "bob", "udp", "203.0.113.20"), uses(bob, "alice", "udp", "203.0.113.10")]);
  });

  it("find each other again by SSH, when one of them is elsewhere and the coordinator is gone", async () => {
    const server = await serve();
    const alice = await join(server, await atHome("alice", 10));
    const bob = await join(server, await atHome("bob", 20, { forwardsSsh: true }));
    const { ip4 } = (await bob.status()).self!;
    await eventually("alice reaches bob", () => alice.host.pings(ip4), { timeoutMs: DIRECT_LIMIT_MS });
    await Promise.all([uses(alice, "bob", "udp"), uses(bob, "alice", "udp")]);
    const sessionBefore = (await alice.peer("bob"))?.lastHandshakeAt;

    await server.process.kill();
    await internet.attach(alice.host, "eth1", ["203.0.113.30/24"]);
    await alice.host.ip("link", "set", "eth0", "down");
    await eventually("alice reaches bob again", () => alice.host.pings(ip4), { timeoutMs: DIRECT_LIMIT_MS });
    // Bob's router lets nobody in whom he has not spoken to, and who else could have told him?
    await Promise.all([uses(alice, "bob", "udp", "203.0.113.20"), uses(bob, "alice", "udp", "203.0.113.30")]);
    expect((await alice.peer("bob"))?.lastHandshakeAt).toBe(sessionBefore);
  });
});
