import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/lab/eventually.ts";
import type { LabProcess } from "../support/lab/lab-process.ts";
import { MeshPeer } from "../support/lab/mesh-peer.ts";
import { MeshRelay } from "../support/lab/mesh-relay.ts";
import { MeshServer } from "../support/lab/mesh-server.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";

/** Fewer than each process has open: it gets no further ones. poll(2) wants it larger than what the data thread polls. */
const NO_DESCRIPTORS = 16;
/** A STUN server looks at its machine's addresses every five seconds. */
const ADDRESSES_SEEN_MS = 6000;

/** A part that fails takes with it what cannot be without it, and nothing else: no other network, no other peer's traffic. */
describe("what fails in one place", () => {
  let network: SmallNetwork;
  let relay: MeshRelay;
  let alice: MeshPeer;
  let bob: MeshPeer;
  let bobIp4: string;
  let bobIp6: string;

  beforeAll(async () => {
    network = await SmallNetwork.open("alice", "bob", "relay");
    relay = await MeshRelay.start(network.host("relay"), {
      publicUrl: "https://192.0.2.4:443",
      server: network.server,
    });
    alice = await network.join("alice");
    bob = await network.join("bob");
    ({ ip4: bobIp4, ip6: bobIp6 } = await alice.reaches("bob"));
  });
  afterAll(() => network[Symbol.asyncDispose]());

  const everybody = (): LabProcess[] => [network.server.process, relay.process, alice.process, bob.process];
  const aliceReachesBob = () => eventually("alice reaches bob", () => alice.host.pings(bobIp4));

  it("for want of file descriptors is over when there are some again: coordinator, relay and daemons go on", async () => {
    const limit = (soft: number) =>
      Promise.all(
        everybody().map(({ pid }) => network.serverHost.must("prlimit", "--pid", String(pid), `--nofile=${soft}:`)),
      );
    await limit(NO_DESCRIPTORS);
    const startedMs = performance.now();
    // Each is asked for something that takes a descriptor, and its network changes.
    const doors: readonly (readonly [string, ...string[]])[] = [
      ["nc", "-z", "-w", "1", "192.0.2.1", "8443"],
      ["nc", "-z", "-w", "1", "192.0.2.4", "443"],
      ["nc", "-z", "-w", "1", "192.0.2.2", "2222"],
      ["wg", "show", "mesh0"],
    ];
    await alice.host.ip("address", "add", "198.51.100.2/24", "dev", "eth0");
    await network.serverHost.ip("address", "add", "198.51.100.1/24", "dev", "eth0");
    for (const [program, ...args] of doors) await alice.host.run("timeout", "2", program, ...args);
    await eventually("all have looked at their addresses", () => performance.now() - startedMs > ADDRESSES_SEEN_MS);
    await aliceReachesBob();
    await limit(1024);
    expect(everybody().filter(({ isRunning }) => !isRunning)).toEqual([]);
    await eventually("they answer again", async () => (await alice.status()).coordinator?.connected);
    await network.server.createToken();
    await eventually("STUN is answered at the new address", async () =>
      (await network.serverHost.must("ss", "-Hlun")).includes("198.51.100.1:3478"),
    );
    await aliceReachesBob();
  });

  it("as the interface that is down for a while ends no daemon, and it carries packets again", async () => {
    await alice.host.ip("link", "set", "mesh0", "down");
    expect(await alice.host.pings(bobIp4)).toBe(false);
    const { coordinator } = await eventually("its status says so", async () => {
      const status = await alice.status();
      return status.warnings.some((line) => line.includes("mesh0 is down")) && status;
    });
    expect(coordinator?.connected).toBe(true);
    await alice.host.ip("link", "set", "mesh0", "up");
    await aliceReachesBob();
    await eventually("alice reaches bob over IPv6", () => alice.host.pings(bobIp6));
    await eventually("there is nothing to warn of", async () => (await alice.status()).warnings.length === 0);
  });

  it("as an interface that is deleted ends its own network's daemon with a reason, and no other network's", async () => {
    const ranges = ["--network-cidr", "10.99.0.0/16", "--network-cidr6", "fd99:1:2::/48"];
    const otherServer = await MeshServer.start(bob.host, { publicUrl: "https://192.0.2.3:8443", args: ranges });
    const { token } = await otherServer.createToken();
    const other = await MeshPeer.join(alice.host, {
      server: otherServer.url,
      token,
      home: `${alice.host.scratchDirectory}/other`,
      args: ["--interface", "mesh1", "--listen-port", "51821", "--ssh-port", "2223"],
    });
    await alice.host.ip("link", "delete", "mesh0");
    expect(await alice.process.exited).toBe(1);
    expect(alice.process.stderr).toContain("data-plane-failed");
    expect(await alice.host.must("ip", "route")).not.toContain("mesh0");
    expect((await other.status()).state).toBe("running");
    expect([network.server, relay, bob].map(({ process }) => process.isRunning)).toEqual([true, true, true]);
    alice = await MeshPeer.up(alice);
    await aliceReachesBob();
  });
});
