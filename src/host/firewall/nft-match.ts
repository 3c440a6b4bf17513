import { isIP } from "node:net";
import { parseAddress } from "../../packet/address.ts";
import { cidrContainsAddress, cidrOf } from "../../packet/cidr.ts";

/** A packet of a connection through an interface, the first one mostly, as far as firewalls' rules speak of it. */
export interface ExplainedPacket {
  readonly isInbound: boolean;
  readonly interfaceName: string;
  /** It comes in by `interfaceName` and is forwarded by this one. */
  readonly forwardedTo?: string;
  /** Absent: new. */
  readonly connection?: "established";
  readonly family: 4 | 6;
  readonly source: string;
  readonly destination: string;
  readonly protocol: "tcp" | "udp" | "icmp";
  /** Of the destination; 0 for icmp. */
  readonly port: number;
}

/** Whether an expression fits a packet; `maybe` where it speaks of what we do not look at. */
export type Fit = "yes" | "no" | "maybe";

const L4_NAMES = { tcp: ["tcp", 6], udp: ["udp", 17], icmp: ["icmp", 1], icmp6: ["ipv6-icmp", "icmpv6", 58] } as const;

/** The value that the packet has there: some ways to write it; "none": the packet has no such field; undefined: not known. */
type Value = readonly (string | number)[] | "none" | undefined;

/** A `match` statement of `nft -j` (libnftables-json(5)). */
export function fitOfMatch(match: unknown, packet: ExplainedPacket): Fit {
  if (!isRecord(match)) return "maybe";
  const value = fieldIn(match.left, packet);
  if (value === "none") return "no";
  if (value === undefined) return "maybe";
  const isAmong = contains(match.right, value);
  switch (match.op) {
    case "==":
    case "in":
      return isAmong;
    case "!=":
      return isAmong === "maybe" ? "maybe" : isAmong === "yes" ? "no" : "yes";
    default:
      return "maybe";
  }
}

function fieldIn(left: unknown, packet: ExplainedPacket): Value {
  if (!isRecord(left)) return undefined;
  const { meta, payload, ct } = left;
  if (isRecord(meta)) return metaOf(meta.key, packet);
  if (isRecord(payload)) return fieldOf(payload.protocol, payload.field, packet);
  if (isRecord(ct) && ct.key === "state") return [packet.connection ?? "new"];
  // Of a connection that begins, and that nobody has translated.
  if (isRecord(ct) && ct.key === "status" && packet.connection === undefined) return [];
  return undefined;
}

function metaOf(key: unknown, packet: ExplainedPacket): Value {
  const { family, isInbound, interfaceName, forwardedTo } = packet;
  switch (key) {
    case "iif":
    case "iifname":
      return isInbound ? [interfaceName] : undefined;
    case "oif":
    case "oifname":
      if (forwardedTo !== undefined) return [forwardedTo];
      return isInbound ? undefined : [interfaceName];
    case "l4proto":
      return l4Names(packet);
    case "nfproto":
      return [family === 4 ? "ipv4" : "ipv6"];
    case "protocol":
      return [family === 4 ? "ip" : "ip6"];
    default:
      return undefined;
  }
}

function fieldOf(header: unknown, field: unknown, packet: ExplainedPacket): Value {
  const { family, protocol, port } = packet;
  switch (header) {
    case "ip":
    case "ip6":
      return (header === "ip") === (family === 4) ? ipField(field, packet) : "none";
    case "tcp":
    case "udp":
      if (protocol !== header) return "none";
      return field === "dport" ? [port] : undefined;
    case "th":
      if (protocol === "icmp") return "none";
      return field === "dport" ? [port] : undefined;
    case "icmp":
    case "icmpv6":
      if (protocol !== "icmp" || (header === "icmp") !== (family === 4)) return "none";
      return field === "type" ? ["echo-request"] : undefined;
    default:
      return undefined;
  }
}

function ipField(field: unknown, packet: ExplainedPacket): Value {
  switch (field) {
    case "saddr":
      return [packet.source];
    case "daddr":
      return [packet.destination];
    case "protocol":
    case "nexthdr":
      return l4Names(packet);
    default:
      return undefined;
  }
}

function l4Names({ protocol, family }: ExplainedPacket): readonly (string | number)[] {
  return L4_NAMES[protocol === "icmp" && family === 6 ? "icmp6" : protocol];
}

function contains(right: unknown, value: readonly (string | number)[]): Fit {
  const among = Array.isArray(right) ? right : isRecord(right) && Array.isArray(right.set) ? right.set : undefined;
  if (among === undefined) return isOne(right, value);
  const fits = among.map((one) => isOne(one, value));
  return fits.includes("yes") ? "yes" : fits.includes("maybe") ? "maybe" : "no";
}

function isOne(right: unknown, value: readonly (string | number)[]): Fit {
  if (typeof right === "number") return fitOf(value.includes(right));
  if (typeof right === "string") {
    // A named set, whose elements we do not look up.
    if (right.startsWith("@")) return "maybe";
    return fitOf(value.some((each) => isSameText(right, each)));
  }
  if (!isRecord(right)) return "maybe";
  const { prefix, range } = right;
  if (isRecord(prefix)) return fitOf(isInPrefix(String(prefix.addr), Number(prefix.len), value[0]));
  if (Array.isArray(range)) return isInRange(range[0], range[1], value[0]);
  return "maybe";
}

function isSameText(pattern: string, value: string | number): boolean {
  if (typeof value === "number") return false;
  if (pattern.endsWith("*")) return value.startsWith(pattern.slice(0, -1));
  return pattern === value || (isAddress(pattern) && isAddress(value) && compare(pattern, value) === 0);
}

function isInPrefix(address: string, bits: number, value: string | number | undefined): boolean {
  if (typeof value !== "string" || !isAddress(value) || !isAddress(address)) return false;
  return cidrContainsAddress(cidrOf(parseAddress(address), bits), parseAddress(value));
}

function isInRange(first: unknown, last: unknown, value: string | number | undefined): Fit {
  if (typeof value === "number") {
    if (typeof first !== "number" || typeof last !== "number") return "maybe";
    return fitOf(first <= value && value <= last);
  }
  const ends = [first, last, value];
  if (!ends.every((end): end is string => typeof end === "string" && isAddress(end))) return "maybe";
  return fitOf(compare(ends[0]!, ends[2]!) <= 0 && compare(ends[2]!, ends[1]!) <= 0);
}

/** Addresses of one family, else not equal. */
function compare(a: string, b: string): number {
  const [x, y] = [parseAddress(a), parseAddress(b)];
  return x.length === y.length ? Buffer.compare(x, y) : x.length - y.length;
}

function isAddress(text: string): boolean {
  return isIP(text) !== 0;
}

function fitOf(fits: boolean): Fit {
  return fits ? "yes" : "no";
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
