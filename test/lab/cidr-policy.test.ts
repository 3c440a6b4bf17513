import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/lab/eventually.ts";
import { runMesh } from "../support/lab/mesh-command.ts";
import type { MeshPeer } from "../support/lab/mesh-peer.ts";
import { PingFlow } from "../support/lab/ping-flow.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";
import { TcpTransfer } from "../support/lab/tcp-transfer.ts";

/** From an admin's command to its effect at the peers. */
const EFFECT_MS = 1000;

describe("who may reach whom, by CIDRs and associations", () => {
  let network: SmallNetwork;
  let alice: MeshPeer;
  let bob: MeshPeer;
  let hub: MeshPeer;
  /** Alice's, to the hub, all the time: also what time is told by where nothing else may come. */
  let toHub: PingFlow;
  const addresses = { bob: "", hub: "" };

  beforeAll(async () => {
    network = await SmallNetwork.open("alice", "bob", "hub", "late");
    await admin("cidr", "add", "humans", "10.86.128.0/20");
    await admin("cidr", "add", "backends", "10.86.160.0/20");
    await admin("cidr", "add", "db", "10.86.161.0/24");
    [alice, bob, hub] = [await join("alice", "humans"), await join("bob", "db"), await join("hub", "infra")];
    for (const peer of [bob, hub]) addresses[peer.host.label as "bob"] = (await peer.status()).self!.ip4;
    await Promise.all([alice.reaches("hub"), bob.reaches("hub")]);
    toHub = await PingFlow.start(alice.host, addresses.hub);
  });
  afterAll(() => network[Symbol.asyncDispose]());

  /** Runs an admin's command, which must succeed. @returns when it was done */
  async function admin(...args: string[]): Promise<number> {
    const { status, stderr } = await runMesh(network.serverHost, network.server.home, ...args);
    expect([status, stderr]).toEqual([0, ""]);
    return Date.now();
  }

  async function join(label: string, cidr: string): Promise<MeshPeer> {
    const { token } = await network.server.createToken({ cidr });
    return network.join(label, { token });
  }

  /** For so long that what goes on would have shown itself many times: fifty answers of the hub. */
  async function aWhile(): Promise<void> {
    const { answered } = toHub;
    await eventually("the hub goes on answering", () => toHub.answered >= answered + 50);
  }

  /** The names that a peer knows, and how many keys its device has. */
  async function knownTo(peer: MeshPeer): Promise<{ names: string[]; keys: number }> {
    const names = (await peer.status()).peers.map(({ name }) => name);
    const keys = (await peer.host.must("wg", "show", "mesh0", "peers")).trim().split("\n").filter(Boolean);
    return { names: names.sort(), keys: keys.length };
  }

  const bytesAtBob = async () => {
    const table = await bob.host.must("ss", "-tinH", "state", "established", "sport = :5999");
    return Number(/bytes_received:(\d+)/.exec(table)?.[1]);
  };

  it("two CIDRs neither reach nor know each other, and both reach infra", async () => {
    expect(await alice.host.pings(addresses.bob)).toBe(false);
    expect([await knownTo(alice), await knownTo(bob)]).toEqual([
      { names: ["hub"], keys: 1 },
      { names: ["hub"], keys: 1 },
    ]);
    for (const name of ["bob", "backends", "db"]) {
      expect((await alice.host.run("grep", "-rqw", name, `${alice.home}/networks`)).status).toBe(1);
    }
    expect(await bob.host.pings(addresses.hub)).toBe(true);
    expect((await knownTo(hub)).names).toEqual(["alice", "bob"]);
  });

  it("an association opens them, with what they hold, within a second; its end cuts what runs as fast", async () => {
    const flowing = PingFlow.start(alice.host, addresses.bob);
    const openedAtMs = await admin("association", "add", "humans", "backends");
    await using flow = await flowing;
    expect(flow.first.atMs - openedAtMs).toBeLessThan(EFFECT_MS);
    await using _transfer = await TcpTransfer.start({
      from: alice.host,
      to: bob.host,
      address: addresses.bob,
      bytesPerSecond: 200_000,
    });
    await eventually("it flows", async () => (await bytesAtBob()) > 100_000);

    const closedAtMs = await admin("association", "delete", "humans", "backends");
    await aWhile();
    expect(flow.latestAtMs - closedAtMs).toBeLessThan(EFFECT_MS);
    expect([await knownTo(alice), await knownTo(bob)]).toEqual([
      { names: ["hub"], keys: 1 },
      { names: ["hub"], keys: 1 },
    ]);
    const atTheEnd = { bytes: await bytesAtBob(), answerAtMs: flow.latestAtMs };
    await aWhile();
    expect({ bytes: await bytesAtBob(), answerAtMs: flow.latestAtMs }).toEqual(atTheEnd);
    expect(toHub.result().lost).toBe(0);
  });

  it("peers below a disabled CIDR are gone within a second, nobody joins there, and they are back as fast", async () => {
    await admin("association", "add", "humans", "backends");
    await using flow = await PingFlow.start(alice.host, addresses.bob);
    await using fromBob = await PingFlow.start(bob.host, addresses.hub);
    const { token } = await network.server.createToken({ cidr: "db" });
    const disabledAtMs = await admin("cidr", "disable", "backends");
    await aWhile();
    for (const cut of [flow, fromBob]) expect(cut.latestAtMs - disabledAtMs).toBeLessThan(EFFECT_MS);
    expect(await knownTo(bob)).toEqual({ names: [], keys: 0 });
    expect([(await knownTo(alice)).names, (await knownTo(hub)).names]).toEqual([["hub"], ["alice"]]);
    const late = network.host("late");
    const home = `${late.scratchDirectory}/late`;
    const { status, stderr } = await runMesh(
      late,
      home,
      "--json",
      "join",
      "--server",
      network.server.url,
      "--token",
      token,
    );
    expect([status, stderr]).toEqual([4, expect.stringContaining("cidr-disabled")]);
    const { latestAtMs } = flow;
    const enabledAtMs = await admin("cidr", "enable", "backends");
    await eventually("bob is back", () => flow.latestAtMs > latestAtMs);
    expect(flow.latestAtMs - enabledAtMs).toBeLessThan(EFFECT_MS);
    expect(toHub.result().lost).toBe(0);
    for (const peer of [alice, bob, hub]) expect(await peer.stop()).toBe(0);
  });
});
