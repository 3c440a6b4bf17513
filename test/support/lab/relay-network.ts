import { eventually } from "./eventually.ts";
import { MeshPeer } from "./mesh-peer.ts";
import { MeshRelay } from "./mesh-relay.ts";
import { SmallNetwork } from "./small-network.ts";
import { dropWall, raiseWall } from "./udp-wall.ts";

const URLS = { berlin: "https://192.0.2.4:443", paris: "https://192.0.2.5:443" };
export type RelayName = keyof typeof URLS;
const NAMES = Object.keys(URLS) as RelayName[];

const FROM_ALICE = "ip saddr 192.0.2.2 drop; ip6 saddr 2001:db8::2";
const FROM_BOB = "ip saddr 192.0.2.3 drop; ip6 saddr 2001:db8::3";
const SOON = { timeoutMs: 30_000, intervalMs: 100 };

/** Two peers, alice and bob, that hear nothing of each other, and two stand-alone relays, berlin and paris. */
export class RelayNetwork implements AsyncDisposable {
  readonly small: SmallNetwork;
  readonly relays: Record<RelayName, MeshRelay>;
  readonly peers: Record<"alice" | "bob", MeshPeer>;
  readonly bobAddress: string;

  private constructor(
    small: SmallNetwork,
    relays: Record<RelayName, MeshRelay>,
    peers: Record<"alice" | "bob", MeshPeer>,
    bobAddress: string,
  ) {
    this.small = small;
    this.relays = relays;
    this.peers = peers;
    this.bobAddress = bobAddress;
  }

  static async open(): Promise<RelayNetwork> {
    const small = await SmallNetwork.open("alice", "bob", ...NAMES);
    try {
      const start = (name: RelayName) =>
        MeshRelay.start(small.host(name), { publicUrl: URLS[name], server: small.server });
      const relays = { berlin: await start("berlin"), paris: await start("paris") };
      await raiseWall(small.host("alice"), FROM_BOB);
      await raiseWall(small.host("bob"), FROM_ALICE);
      const peers = { alice: await small.join("alice"), bob: await small.join("bob") };
      return new RelayNetwork(small, relays, peers, (await peers.bob.status()).self!.ip4);
    } catch (failure) {
      await small[Symbol.asyncDispose]();
      throw failure;
    }
  }

  urlOf(name: RelayName): string {
    return URLS[name];
  }

  /** The peers hear each other from now on. */
  async dropWalls(): Promise<void> {
    await Promise.all(Object.values(this.peers).map(({ host }) => dropWall(host)));
  }

  /** With the state that it left. */
  async startAgain(name: RelayName): Promise<void> {
    this.relays[name] = await MeshRelay.start(this.small.host(name), { publicUrl: URLS[name] });
  }

  /** SIGKILL, and `mesh up` with the state that it left. */
  async killAndUp(name: "alice" | "bob"): Promise<void> {
    await this.peers[name].process.kill();
    this.peers[name] = await MeshPeer.up(this.peers[name]);
  }

  /** Waits until both use the same relay, with the other one in reserve, and names it. */
  async relayInUse(): Promise<RelayName> {
    const { alice, bob } = this.peers;
    await Promise.all([isAtHome(alice), isAtHome(bob)]);
    return eventually(
      "both ends use the same of two relays",
      async () => {
        const [there, back] = await Promise.all([alice.peer("bob"), bob.peer("alice")]);
        if (there?.path?.transport !== "relay" || there.path.endpoint !== back?.path?.endpoint) return undefined;
        const usable = there.paths.filter((path) => path.transport === "relay" && path.usable);
        return usable.length < NAMES.length ? undefined : NAMES.find((name) => URLS[name] === there.path?.endpoint);
      },
      SOON,
    );
  }

  /** Waits until alice reaches bob by another way than this relay. */
  async hasLeft(name: RelayName): Promise<void> {
    await eventually(
      `the path from alice to bob does not go by ${name} any more`,
      async () => {
        const endpoint = (await this.peers.alice.peer("bob"))?.path?.endpoint;
        return endpoint !== undefined && endpoint !== URLS[name];
      },
      SOON,
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.small[Symbol.asyncDispose]();
  }
}

/** Waits until the peer has a connection to each of its home relays. */
function isAtHome(peer: MeshPeer): Promise<boolean> {
  const check = async () => {
    const homes = (await peer.status()).relays.filter(({ home }) => home);
    return homes.length === NAMES.length && homes.every(({ connected }) => connected);
  };
  return eventually(`${peer.host.label} is connected to its relays`, check, SOON);
}
