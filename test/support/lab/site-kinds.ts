import { UDP_ALL } from "./udp-wall.ts";

/** A router between a peer and the world. */
export interface SiteRouter {
  /** As of `makeRouter`; `proxy`: forwards nothing, an HTTP proxy that knows CONNECT to port 443 is the only way out. */
  readonly nat: "firewall" | "port-restricted" | "full-cone" | "endpoint-dependent" | "proxy";
  readonly udpStreamTimeoutSeconds?: number;
  /** What it drops, as matches of nftables: on the way out, and on the way in. */
  readonly dropsOut?: readonly string[];
  readonly dropsIn?: readonly string[];
}

interface SiteSpec {
  readonly families: readonly (4 | 6)[];
  /** The router of the peer's LAN; without one the peer has public addresses. */
  readonly home?: SiteRouter;
  /** Another one behind which that router stands, and the first two bytes of the network between them. */
  readonly carrier?: SiteRouter & { readonly net: string };
}

const IPV4 = [4] as const;
const HOME_ROUTER = { nat: "port-restricted" } as const;

/** What may stand between a peer and the world. */
const SPECS = {
  /** A public address. */
  open: { families: IPV4 },
  /** Public addresses of both families. */
  dual: { families: [4, 6] },
  /** A home router: one public port for one inside, and only who was spoken to gets in. */
  easy: { families: IPV4, home: HOME_ROUTER },
  /** A home router that lets anybody in by a mapping (full cone). */
  cone: { families: IPV4, home: { nat: "full-cone" } },
  /** A home router that forgets every UDP mapping after 30 s of silence. */
  forgetful: { families: IPV4, home: { ...HOME_ROUTER, udpStreamTimeoutSeconds: 30 } },
  /** A home router behind another one. */
  double: { families: IPV4, home: HOME_ROUTER, carrier: { ...HOME_ROUTER, net: "192.168" } },
  /** A home router behind a carrier's NAT. */
  cgnat: { families: IPV4, home: HOME_ROUTER, carrier: { ...HOME_ROUTER, net: "100.64" } },
  /** A router with another public port for every destination. */
  hard: { families: IPV4, home: { nat: "endpoint-dependent" } },
  /** IPv6 only, behind a firewall that lets in only who was spoken to. */
  ipv6: { families: [6], home: { nat: "firewall" } },
  /** A home router that lets UDP out and none in. */
  "one-way": { families: IPV4, home: { ...HOME_ROUTER, dropsIn: [UDP_ALL] } },
  /** A home router that lets no UDP out. */
  "no-udp": { families: IPV4, home: { ...HOME_ROUTER, dropsOut: [UDP_ALL] } },
  /** The same, and nothing to the port on which peers listen for SSH. */
  "no-udp-no-ssh": { families: IPV4, home: { ...HOME_ROUTER, dropsOut: [UDP_ALL, "tcp dport 2222"] } },
  /** A firewall that lets nothing out but TCP to port 443. */
  "only-443": { families: IPV4, home: { ...HOME_ROUTER, dropsOut: [UDP_ALL, "tcp dport != 443"] } },
  /** No way out but an HTTP proxy that connects to port 443 only. */
  proxy: { families: IPV4, home: { nat: "proxy" } },
} as const satisfies Record<string, SiteSpec>;

export type SiteKind = keyof typeof SPECS;

export const siteSpec = (kind: SiteKind): SiteSpec => SPECS[kind];
