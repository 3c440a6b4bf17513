import { eventually } from "../lab/eventually.ts";
import { Lab } from "../lab/lab.ts";
import type { LabHost } from "../lab/lab-host.ts";
import { type KeyPair, makeKeyPair } from "./keys.ts";
import { StaticPeer, type StaticPeerSetup } from "./static-peer.ts";
import { StockPeer } from "./stock-peer.ts";
import { endpointText, type PeerSetting, type WireGuardEnd } from "./wireguard-end.ts";

/** Outside and inside the tunnel; the first end is `.1`, the second `.2`, and `.3` a third host on their link. */
export const OUTER = {
  v4: ["192.0.2.1", "192.0.2.2", "192.0.2.3"],
  v6: ["2001:db8::1", "2001:db8::2", "2001:db8::3"],
} as const;
export const INNER = { v4: ["10.99.0.1", "10.99.0.2"], v6: ["fd99::1", "fd99::2"] } as const;
/** The device that joins the hosts. */
export const UNDERLAY = "eth0";

export type Family = "v4" | "v6";

export interface TunnelLabOptions {
  /** Under the tunnel; v4 unless said otherwise. */
  readonly outer?: Family;
  /** Inside; 1420 unless said otherwise. */
  readonly mtu?: number;
  /** Of the link between the hosts; 1500 unless said otherwise. */
  readonly underlayMtu?: number;
  readonly presharedKey?: string;
  /** Neither host has IPv6. */
  readonly withoutIpv6?: boolean;
  /** Which ends know where the other is; both unless said otherwise. */
  readonly knowing?: "both" | "first" | "second";
  /** For an end that is ours. */
  readonly ours?: Partial<Pick<StaticPeerSetup, "timings" | "aeadProvider" | "fwmark" | "preload">>;
}

type Starter<End> = (host: LabHost, setup: StaticPeerSetup) => Promise<End>;

const startOurs: Starter<StaticPeer> = (host, setup) => StaticPeer.start(host, setup);
const startStock: Starter<StockPeer> = (host, setup) => StockPeer.start(host, setup);

/** Two hosts on one link with a tunnel between them, and a third one on the same link that may mean no good. */
export class TunnelLab<First extends WireGuardEnd, Second extends WireGuardEnd> implements AsyncDisposable {
  readonly lab: Lab;
  readonly first: First;
  readonly second: Second;
  readonly stranger: LabHost;
  /** How each end knows the other, in order: the first end's peer is the second end. */
  readonly settings: readonly [PeerSetting, PeerSetting];
  readonly keys: readonly [KeyPair, KeyPair];

  private constructor(
    lab: Lab,
    ends: readonly [First, Second],
    stranger: LabHost,
    settings: readonly [PeerSetting, PeerSetting],
    keys: readonly [KeyPair, KeyPair],
  ) {
    this.lab = lab;
    [this.first, this.second] = ends;
    this.stranger = stranger;
    this.settings = settings;
    this.keys = keys;
  }

  /** Ours, and wireguard-go. */
  static withStock(options: TunnelLabOptions = {}): Promise<TunnelLab<StaticPeer, StockPeer>> {
    return TunnelLab.#open(options, startOurs, startStock);
  }

  /** Ours at both ends. */
  static ofOurs(options: TunnelLabOptions = {}): Promise<TunnelLab<StaticPeer, StaticPeer>> {
    return TunnelLab.#open(options, startOurs, startOurs);
  }

  static async #open<A extends WireGuardEnd, B extends WireGuardEnd>(
    options: TunnelLabOptions,
    startFirst: Starter<A>,
    startSecond: Starter<B>,
  ): Promise<TunnelLab<A, B>> {
    const { underlayMtu = 1500, withoutIpv6 = false } = options;
    const lab = await Lab.open();
    try {
      const hosts = [await lab.host("first"), await lab.host("second"), await lab.host("stranger")] as const;
      if (withoutIpv6) await Promise.all(hosts.map((host) => host.disableIpv6()));
      const segment = await lab.segment("link");
      for (const i of [0, 1, 2] as const) {
        const addresses = withoutIpv6 ? [`${OUTER.v4[i]}/24`] : [`${OUTER.v4[i]}/24`, `${OUTER.v6[i]}/64`];
        await segment.attach(hosts[i], UNDERLAY, addresses, { mtu: underlayMtu });
      }
      const keys = [makeKeyPair(), makeKeyPair()] as const;
      const settings = [peerSetting(1, keys[1], options), peerSetting(0, keys[0], options)] as const;
      const first = lab.use(await startFirst(hosts[0], endSetup(0, keys[0], settings[0], options)));
      const second = lab.use(await startSecond(hosts[1], endSetup(1, keys[1], settings[1], options)));
      return new TunnelLab(lab, [first, second], hosts[2], settings, keys);
    } catch (failure) {
      await lab[Symbol.asyncDispose]();
      throw failure;
    }
  }

  /** Waits for the first packet through the tunnel, which takes a handshake. */
  async connected(from: WireGuardEnd = this.first): Promise<void> {
    const target = INNER.v4[from === this.first ? 1 : 0];
    await eventually("an echo request comes back", () => from.host.pings(target), { timeoutMs: 20_000 });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.lab[Symbol.asyncDispose]();
  }
}

/** How the other end knows end `i`. */
function peerSetting(i: 0 | 1, keys: KeyPair, options: TunnelLabOptions): PeerSetting {
  const { outer = "v4", presharedKey, withoutIpv6 = false, knowing = "both" } = options;
  const isKnown = knowing === "both" || (knowing === "first") === (i === 1);
  return {
    publicKey: keys.publicKey,
    allowedIps: withoutIpv6 ? [`${INNER.v4[i]}/32`] : [`${INNER.v4[i]}/32`, `${INNER.v6[i]}/128`],
    ...(isKnown ? { endpoint: endpointText(OUTER[outer][i]) } : {}),
    ...(presharedKey === undefined ? {} : { presharedKey }),
  };
}

function endSetup(i: 0 | 1, keys: KeyPair, peer: PeerSetting, options: TunnelLabOptions): StaticPeerSetup {
  const { mtu = 1420, withoutIpv6 = false, ours = {} } = options;
  // Linux takes the IPv6 addresses of a device whose MTU is below IPv6's minimum.
  const hasIpv6 = !withoutIpv6 && mtu >= 1280;
  const addresses = [`${INNER.v4[i]}/24`, ...(hasIpv6 ? [`${INNER.v6[i]}/64`] : [])];
  return { ...keys, addresses, mtu, peers: [peer], ...ours };
}
