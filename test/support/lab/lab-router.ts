import type { LabHost } from "./lab-host.ts";

/**
 * What a router does to the packets of the hosts behind it.
 * - `none`: forwards only.
 * - `firewall`: translates nothing, and lets in only who was spoken to, over IPv4 and IPv6 (RFC 6092).
 * - `port-restricted`: keeps the source port where it can, lets in only who was spoken to (most home routers).
 * - `full-cone`: as above, and lets anybody in to the host behind; for one host behind it.
 * - `endpoint-dependent`: another random port for every destination (hard NAT).
 */
export type NatKind = "none" | "firewall" | "port-restricted" | "full-cone" | "endpoint-dependent";

export interface RouterOptions {
  readonly nat: NatKind;
  /** Device towards the world. */
  readonly outside: string;
  /** Device towards the hosts behind. */
  readonly inside: string;
  /** Address of the host behind a `full-cone`. */
  readonly insideHost?: string;
  /**
   * For `port-restricted`: its own outside address, by which the hosts behind it reach each other (RFC 4787 §6). They are
   * to use different source ports: a router of this kind has one public port for each.
   */
  readonly hairpinAddress?: string;
  /** How long a silent UDP mapping lives; home routers have 30 and 120 seconds. */
  readonly udpTimeoutSeconds?: number;
  readonly udpStreamTimeoutSeconds?: number;
}

/** Makes `host` forward, and translate as `options` say. */
export async function makeRouter(host: LabHost, options: RouterOptions): Promise<void> {
  await host.sysctl("net.ipv4.ip_forward", 1);
  await host.sysctl("net.ipv6.conf.all.forwarding", 1);
  if (options.nat === "none") return;
  await host.must("nft", rulesOf(options).join("\n"));
  // Known only once connection tracking is in use here.
  await host.sysctl("net.netfilter.nf_conntrack_udp_timeout", options.udpTimeoutSeconds ?? 30);
  await host.sysctl("net.netfilter.nf_conntrack_udp_timeout_stream", options.udpStreamTimeoutSeconds ?? 120);
}

function rulesOf(options: RouterOptions): string[] {
  const nat = options.nat === "firewall" ? [] : natTable(options);
  const hairpin = options.hairpinAddress === undefined ? [] : hairpinTable(options, options.hairpinAddress);
  return [...nat, ...guardTable(options), ...hairpin];
}

function natTable({ nat, outside, insideHost }: RouterOptions): string[] {
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
  return [...rules, "}"];
}

function guardTable({ nat, outside, inside }: RouterOptions): string[] {
  // A packet that nobody asked for must not reach the input path: it would claim the connection-tracking tuple, and the
  // next outgoing packet to that destination would get another port, which no home router shows.
  const rules = [
    `table ${nat === "firewall" ? "inet" : "ip"} guard {`,
    "  chain input {",
    "    type filter hook input priority filter;",
    `    iifname "${outside}" meta l4proto udp ct state new drop`,
    "  }",
  ];
  if (nat !== "full-cone") {
    rules.push(
      "  chain forward {",
      "    type filter hook forward priority filter;",
      `    iifname "${outside}" oifname "${inside}" ct state new drop`,
      "  }",
    );
  }
  return [...rules, "}"];
}

/** Who behind the router uses a public port is noted as it goes out, and what another behind it sends there turns round. */
function hairpinTable({ nat, outside, inside }: RouterOptions, address: string): string[] {
  if (nat !== "port-restricted") throw new Error(`a router that is ${nat} has no public ports to note`);
  const fromInside = `iifname "${inside}"`;
  return [
    "table ip hairpin {",
    "  map ports { type inet_service : ipv4_addr; flags dynamic,timeout; size 4096; timeout 10m; }",
    "  chain remember {",
    "    type filter hook forward priority mangle;",
    `    ${fromInside} oifname "${outside}" meta l4proto udp add @ports { udp sport : ip saddr }`,
    "  }",
    "  chain prerouting {",
    "    type nat hook prerouting priority dstnat;",
    `    ${fromInside} ip daddr ${address} meta l4proto udp dnat to udp dport map @ports`,
    "  }",
    "  chain postrouting {",
    "    type nat hook postrouting priority srcnat;",
    `    ${fromInside} oifname "${inside}" meta l4proto udp snat to ${address}`,
    "  }",
    // As for what comes from outside: it must not claim a tuple.
    "  chain input {",
    "    type filter hook input priority filter;",
    `    ${fromInside} ip daddr ${address} meta l4proto udp ct state new drop`,
    "  }",
    "}",
  ];
}
