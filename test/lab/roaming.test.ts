import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../support/lab/eventually.ts";
import type { LabHost } from "../support/lab/lab-host.ts";
import { makeRouter } from "../support/lab/lab-router.ts";
import type { MeshPeer } from "../support/lab/mesh-peer.ts";
import { PingFlow } from "../support/lab/ping-flow.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";
import { raiseWall } from "../support/lab/udp-wall.ts";

// Real daemons: alice moves while a ping to her runs, and her session with bob must not notice.

const GAP_LIMIT_MS = 1000;
/** Answers in a row after which the flow counts as flowing again. */
const FLOWING = 50;
/** Behind a router of its own; the segment's addresses are on its other side. */
const ELSEWHERE = { router: "198.51.100.1", alice: "198.51.100.2" };

let network: SmallNetwork;
let alice: MeshPeer;
let bob: MeshPeer;
let aliceAddress: string;

async function start(args: readonly string[] = []): Promise<void> {
  alice = await network.join("alice", { args });
  bob = await network.join("bob", { args });
  aliceAddress = (await alice.status()).self!.ip4;
  await eventually("bob reaches alice", () => bob.host.pings(aliceAddress), { timeoutMs: 20_000 });
}

beforeEach(async () => {
  network = await SmallNetwork.open("alice", "bob");
});
afterEach(() => network[Symbol.asyncDispose]());

function uses(peer: MeshPeer, name: string, transport: string): Promise<unknown> {
  return eventually(
    `${peer.host.label} reaches ${name} by ${transport}`,
    async () => ((await peer.peer(name))?.path?.transport === transport ? true : undefined),
    { timeoutMs: 30_000, intervalMs: 100 },
  );
}

const bothUse = (transport: string) => Promise.all([uses(alice, "bob", transport), uses(bob, "alice", transport)]);

const ageMs = (instant: string | undefined) => (instant === undefined ? 0 : Date.now() - Date.parse(instant));

/** Lets bob ping alice while `move` is done. @returns the longest time without an answer, which must be short */
async function during(what: string, move: () => Promise<void>): Promise<void> {
  await using flow = await PingFlow.start(bob.host, aliceAddress);
  const sessionBefore = (await bob.peer("alice"))?.lastHandshakeAt;
  flow.restart();
  await move();
  const answered = flow.answered;
  await eventually(`${what}: the ping goes on`, () => flow.answered > answered + FLOWING, { timeoutMs: 20_000 });
  const { longestGapMs, lost } = flow.result();
  console.info(`${what}: ${Math.round(longestGapMs)} ms without an answer, ${lost} lost`);
  expect(longestGapMs).toBeLessThan(GAP_LIMIT_MS);
  expect((await bob.peer("alice"))?.lastHandshakeAt).toBe(sessionBefore);
}

/** As a new lease does it. `last`: of the addresses, 2 for 192.0.2.2 and 2001:db8::2. */
async function changeAddresses(host: LabHost, last: number): Promise<void> {
  // Else the second IPv4 address would go with the first one of its network.
  await host.sysctl("net.ipv4.conf.all.promote_secondaries", 1);
  await host.ip("address", "add", `192.0.2.10${last}/24`, "dev", "eth0");
  await host.ip("address", "delete", `192.0.2.${last}/24`, "dev", "eth0");
  await host.ip("address", "add", `2001:db8::10${last}/64`, "dev", "eth0");
  await host.ip("address", "delete", `2001:db8::${last}/64`, "dev", "eth0");
}

/** Both reach one another by UDP of this family. */
function bothUseFamily(family: 4 | 6): Promise<unknown> {
  const isOfIt = (endpoint: string) => endpoint.startsWith("[") === (family === 6);
  const uses = (peer: MeshPeer, name: string) =>
    eventually(`${peer.host.label} reaches ${name} by UDP over IPv${family}`, async () => {
      const path = (await peer.peer(name))?.path;
      return path?.transport === "udp" && isOfIt(path.endpoint);
    });
  return Promise.all([uses(alice, "bob"), uses(bob, "alice")]);
}

/** A second way out for alice, through a router with NAT; not in use yet. */
async function openElsewhere(): Promise<void> {
  const { lab } = network;
  const router = await lab.host("router");
  await network.segment.attach(router, "outside", ["192.0.2.254/24"]);
  await lab.connect(
    { host: router, device: "inside", addresses: [`${ELSEWHERE.router}/24`] },
    { host: alice.host, device: "eth1", addresses: [] },
  );
  await makeRouter(router, { nat: "port-restricted", outside: "outside", inside: "inside" });
}

async function moveElsewhere(host: LabHost): Promise<void> {
  await host.ip("link", "set", "eth0", "down");
  await host.ip("address", "add", `${ELSEWHERE.alice}/24`, "dev", "eth1");
  await host.ip("route", "add", "default", "via", ELSEWHERE.router);
}

async function comeBack(host: LabHost): Promise<void> {
  await host.ip("link", "set", "eth1", "down");
  await host.ip("link", "set", "eth0", "up");
}

describe("a peer that moves", () => {
  it.each([4, 6] as const)("to another address, whichever end it is, by IPv%i", async (family) => {
    await start();
    const other = family === 4 ? "ipv6" : "ipv4";
    for (const { host } of [alice, bob]) await raiseWall(host, `meta nfproto ${other} meta l4proto udp`);
    await bothUseFamily(family);
    await during(`another address of who is called, IPv${family}`, () => changeAddresses(alice.host, 2));
    await bothUseFamily(family);
    await during(`another address of who calls, IPv${family}`, () => changeAddresses(bob.host, 3));
    await bothUseFamily(family);
  });

  it("behind another router, and back", async () => {
    await start();
    await openElsewhere();
    await bothUse("udp");
    await during("behind a router", () => moveElsewhere(alice.host));
    await bothUse("udp");
    await during("back again", () => comeBack(alice.host));
  });

  it.each(["ssh", "relay"])("to another address, reached by %s only", async (transport) => {
    await start(["--transports", transport]);
    await bothUse(transport);
    // Two SSH connections of one moment pass for dialled by both ends at once, and nothing is lost yet.
    await eventually("the path is no new one", async () => ageMs((await bob.peer("alice"))?.path?.since) > 1500);
    await during(`another address, by ${transport}`, () => changeAddresses(alice.host, 2));
  });

  it("to another address while the coordinator is gone, and the relay with it", async () => {
    await start();
    await bothUse("udp");
    await network.server.process.kill();
    await during("another address, no coordinator", () => changeAddresses(alice.host, 2));
  });

  it("to another way out, while the first one stays and leads nowhere", async () => {
    await start();
    await openElsewhere();
    await bothUse("udp");
    const { host } = alice;
    await host.ip("address", "add", `${ELSEWHERE.alice}/24`, "dev", "eth1");
    await during("another way out", async () => {
      await host.must(
        "nft",
        "add table inet dead; add chain inet dead in { type filter hook input priority -300; }; add rule inet dead in iifname eth0 drop",
      );
      await host.ip("route", "add", "192.0.2.0/25", "via", ELSEWHERE.router);
    });
    // From the address that has not gone nothing would come back.
    await bothUse("udp");
  });
});
