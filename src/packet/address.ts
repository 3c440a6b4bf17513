import { isIPv4, isIPv6 } from "node:net";
import { MeshError } from "../base/errors.ts";

const V4_BYTES = 4;
const V6_BYTES = 16;
const V6_GROUPS = 8;

/**
 * Parses an IPv4 or IPv6 address (RFC 4291 §2.2, embedded IPv4 included; no zone) to 4 or 16 bytes.
 * @throws MeshError `bad-address`
 */
export function parseAddress(text: string): Uint8Array {
  if (isIPv4(text)) return Uint8Array.from(text.split("."), Number);
  if (isIPv6(text) && !text.includes("%")) return parseV6(text);
  throw new MeshError("bad-address", `not an IP address: ${JSON.stringify(text)}`);
}

/** `text` is known to be well-formed. */
function parseV6(text: string): Uint8Array {
  const lastColon = text.lastIndexOf(":");
  let hex = text;
  if (text.includes(".")) {
    const [a, b, c, d] = text
      .slice(lastColon + 1)
      .split(".")
      .map(Number) as [number, number, number, number];
    hex = `${text.slice(0, lastColon)}:${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  }
  const [left, right] = hex.split("::") as [string, string?];
  const head = left === "" ? [] : left.split(":");
  const tail = right === undefined || right === "" ? [] : right.split(":");
  const gap = new Array<string>(V6_GROUPS - head.length - tail.length).fill("0");
  const bytes = new Uint8Array(V6_BYTES);
  for (const [i, group] of [...head, ...gap, ...tail].entries()) {
    const value = Number.parseInt(group, 16);
    bytes[2 * i] = value >> 8;
    bytes[2 * i + 1] = value;
  }
  return bytes;
}

/**
 * Formats 4 or 16 bytes, IPv6 in the canonical form of RFC 5952.
 * @throws MeshError `bad-address` for any other length
 */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === V4_BYTES) return bytes.join(".");
  if (bytes.length !== V6_BYTES) throw new MeshError("bad-address", `an address of ${bytes.length} bytes`);
  const groups = Array.from({ length: V6_GROUPS }, (_, i) => (bytes[2 * i]! << 8) | bytes[2 * i + 1]!);
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${bytes.subarray(12).join(".")}`;
  }
  const hex = groups.map((group) => group.toString(16));
  const { start, length } = longestZeroRun(groups);
  if (length < 2) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}

/** The first of the longest runs of zero groups (RFC 5952 §4.2). */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (const [i, group] of groups.entries()) {
    if (group !== 0) start = i + 1;
    else if (i + 1 - start > best.length) best = { start, length: i + 1 - start };
  }
  return best;
}

/** The canonical text of an address given in any form. @throws MeshError `bad-address` */
export function canonicalAddress(text: string): string {
  return formatAddress(parseAddress(text));
}

/** 4 or 6. */
export function addressVersion(bytes: Uint8Array): 4 | 6 {
  return bytes.length === V4_BYTES ? 4 : 6;
}
