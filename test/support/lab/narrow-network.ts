import { eventually } from "./eventually.ts";
import { Lab } from "./lab.ts";
import type { LabHost } from "./lab-host.ts";
import { makeRouter } from "./lab-router.ts";
import { MeshPeer } from "./mesh-peer.ts";
import { MeshServer } from "./mesh-server.ts";

const SERVER_URL = "https://192.0.2.1:8443";
/** The cable in the middle, at either end. */
const MIDDLE = "middle";

export interface NarrowNetworkOptions {
  /** Of the underlay between the two routers. */
  readonly mtu: number;
  /** The routers say what they drop. By default they drop it without a word. */
  readonly icmp?: boolean;
  /** Fragments are lost, as behind many a firewall. */
  readonly dropsFragments?: boolean;
  /** Flags of `mesh join`. */
  readonly args?: readonly string[];
}

/**
 * Two peers with a narrow cable between the routers of their sites; the coordinator is at alice's.
 *
 *     server 192.0.2.1 ┐                          narrow
 *     alice  192.0.2.2 ┴── router 192.0.2.254 ════════════ router 198.51.100.254 ── bob 198.51.100.2
 */
export class NarrowNetwork implements AsyncDisposable {
  readonly alice: MeshPeer;
  readonly bob: MeshPeer;
  readonly #lab: Lab;
  readonly #routers: readonly LabHost[];

  private constructor(lab: Lab, routers: readonly LabHost[], [alice, bob]: readonly [MeshPeer, MeshPeer]) {
    this.#lab = lab;
    this.#routers = routers;
    this.alice = alice;
    this.bob = bob;
  }

  static async open(options: NarrowNetworkOptions): Promise<NarrowNetwork> {
    const lab = await Lab.open();
    try {
      const [server, alice, left, right, bob] = [
        await lab.host("server"),
        await lab.host("alice"),
        await lab.host("left"),
        await lab.host("right"),
        await lab.host("bob"),
      ];
      const site = await lab.segment("site");
      await site.attach(server, "eth0", ["192.0.2.1/24"]);
      await site.attach(alice, "eth0", ["192.0.2.2/24", "2001:db8:a::2/64"]);
      await site.attach(left, "site", ["192.0.2.254/24", "2001:db8:a::fe/64"]);
      const near = { host: left, device: MIDDLE, addresses: ["203.0.113.1/30", "2001:db8:c::1/64"] };
      const far = { host: right, device: MIDDLE, addresses: ["203.0.113.2/30", "2001:db8:c::2/64"] };
      await lab.connect(near, far);
      await lab.connect(
        { host: right, device: "site", addresses: ["198.51.100.254/24", "2001:db8:b::fe/64"] },
        { host: bob, device: "eth0", addresses: ["198.51.100.2/24", "2001:db8:b::2/64"] },
      );
      for (const router of [left, right]) await makeRouter(router, { nat: "none", outside: MIDDLE, inside: "site" });
      await left.ip("route", "add", "198.51.100.0/24", "via", "203.0.113.2");
      await right.ip("route", "add", "192.0.2.0/24", "via", "203.0.113.1");
      await left.ip("route", "add", "2001:db8:b::/64", "via", "2001:db8:c::2");
      await right.ip("route", "add", "2001:db8:a::/64", "via", "2001:db8:c::1");
      for (const host of [server, alice]) await host.ip("route", "add", "default", "via", "192.0.2.254");
      await bob.ip("route", "add", "default", "via", "198.51.100.254");
      await alice.ip("route", "add", "2001:db8::/32", "via", "2001:db8:a::fe");
      await bob.ip("route", "add", "2001:db8::/32", "via", "2001:db8:b::fe");
      for (const router of [left, right]) await narrow(router, options);
      const serving = await MeshServer.start(server, { publicUrl: SERVER_URL });
      const join = async (host: LabHost) =>
        MeshPeer.join(host, {
          server: SERVER_URL,
          token: (await serving.createToken()).token,
          ...(options.args === undefined ? {} : { args: options.args }),
        });
      return new NarrowNetwork(lab, [left, right], [await join(alice), await join(bob)]);
    } catch (failure) {
      await lab[Symbol.asyncDispose]();
      throw failure;
    }
  }

  /** Gives the cable another MTU, at both ends. */
  async narrow(options: NarrowNetworkOptions): Promise<void> {
    for (const router of this.#routers) await narrow(router, options);
  }

  /** Both peers may use nothing but this transport to each other from now on, and do. */
  async only(transport: "udp" | "ssh" | "relay"): Promise<void> {
    await Promise.all([
      this.alice.mesh("prefer", "bob", "--only", transport),
      this.bob.mesh("prefer", "alice", "--only", transport),
    ]);
    // SSH connects for whom there is something to be said.
    await this.alice.host.run("ping", "-c", "1", "-W", "1", (await this.bob.status()).self?.ip4 ?? "");
    await Promise.all([uses(this.alice, "bob", transport), uses(this.bob, "alice", transport)]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#lab[Symbol.asyncDispose]();
  }
}

function uses(peer: MeshPeer, name: string, transport: string): Promise<unknown> {
  return eventually(
    `${peer.host.label} reaches ${name} by ${transport}, and knows how much that carries`,
    async () => {
      const path = (await peer.peer(name))?.path;
      return path?.transport === transport && path.mtu !== null ? path : undefined;
    },
    { timeoutMs: 30_000, intervalMs: 100 },
  );
}

async function narrow(
  router: LabHost,
  { mtu, icmp = false, dropsFragments = false }: NarrowNetworkOptions,
): Promise<void> {
  await router.ip("link", "set", "dev", MIDDLE, "mtu", String(mtu));
  const rules = ["add table inet narrow", "delete table inet narrow", "table inet narrow {"];
  if (!icmp)
    rules.push(
      "chain out { type filter hook output priority filter;",
      "icmp type destination-unreachable icmp code frag-needed drop; icmpv6 type packet-too-big drop; }",
    );
  if (dropsFragments)
    rules.push(
      "chain in { type filter hook prerouting priority raw;",
      "ip frag-off & 0x3fff != 0 drop; exthdr frag exists drop; }",
    );
  await router.must("nft", [...rules, "}"].join("\n"));
}
