import type { LabHost } from "./lab-host.ts";

/**
 * What a router does to the packets of the hosts behind it.
 * - `none`: forwards only.
 * - `port-restricted`: keeps the source port where it can, lets in only who was spoken to (most home routers).
 * - `full-cone`: as above, and lets anybody in to the host behind; for one host behind it.
 * - `endpoint-dependent`: another random port for every destination (hard NAT).
 */
export type NatKind = "none" | "port-restricted" | "full-cone" | "endpoint-dependent";

export interface RouterOptions {
  readonly nat: NatKind;
  /** Device towards the world. */
  readonly outside: string;
  /** Device towards the hosts behind. */
  readonly inside: string;
  /** Address of the host behind a `full-cone`. */
  readonly insideHost?: string;
  /** How long a silent UDP mapping lives; home routers have 30 and 120 seconds. */
  readonly udpTimeoutSeconds?: number;
  readonly udpStreamTimeoutSeconds?: number;
}

/** Makes `host` forward, and translate as `options` say. */
export async function makeRouter(host: LabHost, options: RouterOptions): Promise<void> {
  await host.sysctl("net.ipv4.ip_forward", 1);
  await host.sysctl("net.ipv6.conf.all.forwarding", 1);
  if (options.nat === "none") return;
  await host.must("nft", natRules(options));
  // Known only once connection tracking is in use here.
  await host.sysctl("net.netfilter.nf_conntrack_udp_timeout", options.udpTimeoutSeconds ?? 30);
  await host.sysctl("net.netfilter.nf_conntrack_udp_timeout_stream", options.udpStreamTimeoutSeconds ?? 120);
}

function natRules({ nat, outside, inside, insideHost }: RouterOptions): string {
  const masquerade = nat === "endpoint-dependent" ? "masquerade fully-random" : "masquerade";
  const rules = [
    "table ip nat {",
    "  chain postrouting {",
    "    type nat hook postrouting priority srcnat;",
    `    oifname "${outside}" ${masquerade}`,
    "  }",
  ];
  if (nat === "full-cone") {
    if (insideHost === undefined) throw new Error("a full-cone router needs to know the host behind it");
    rules.push(
      "  chain prerouting {",
      "    type nat hook prerouting priority dstnat;",
      `    iifname "${outside}" meta l4proto udp dnat to ${insideHost}`,
      "  }",
    );
  }
  rules.push("}", "table ip guard {");
  // A packet that nobody asked for must not reach the input path: it would claim the connection-tracking tuple, and the
  // next outgoing packet to that destination would get another port, which no home router shows.
  rules.push(
    "  chain input {",
    "    type filter hook input priority filter;",
    `    iifname "${outside}" meta l4proto udp ct state new drop`,
    "  }",
  );
  if (nat !== "full-cone") {
    rules.push(
      "  chain forward {",
      "    type filter hook forward priority filter;",
      `    iifname "${outside}" oifname "${inside}" ct state new drop`,
      "  }",
    );
  }
  rules.push("}");
  return rules.join("\n");
}
