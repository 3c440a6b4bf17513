import { readFileSync } from "node:fs";
import { formatAddress, parseAddress } from "../../packet/address.ts";
import { cidrContainsAddress, parseCidr } from "../../packet/cidr.ts";

/** A TCP connection as this host has it. */
export interface StandingConnection {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

// include/net/tcp_states.h, as /proc/net/tcp prints them.
const ESTABLISHED = "01";
const LISTENING = "0A";

/** What needs no help to find its way back. */
const LOOPBACK = ["127.0.0.0/8", "::1/128"];

interface Row {
  readonly state: string;
  readonly local: { readonly address: Uint8Array; readonly port: number };
  readonly remote: { readonly address: Uint8Array; readonly port: number };
}

/**
 * The established TCP connections that others opened to this host: those of ports that are listened on. Of a connection that
 * began before connection tracking did, nothing else says who opened it.
 *
 * @param tables proc(5) `/proc/net/tcp` and `/proc/net/tcp6`
 * @param meshRanges connections inside the mesh are left out: they came by the tunnel
 */
export function standingConnections(tables: readonly string[], meshRanges: readonly string[]): StandingConnection[] {
  const rows = tables.flatMap((table) => table.split("\n").slice(1).flatMap(parseRow));
  const ports = new Set(rows.filter(({ state }) => state === LISTENING).map(({ local }) => local.port));
  const inner = [...meshRanges, ...LOOPBACK].map(parseCidr);
  const isInner = (address: Uint8Array) => inner.some((range) => cidrContainsAddress(range, address));
  return rows
    .filter(({ state, local }) => state === ESTABLISHED && ports.has(local.port))
    .filter(({ local, remote }) => !isInner(local.address) && !isInner(remote.address))
    .map(({ local, remote }) => ({
      localAddress: formatAddress(local.address),
      localPort: local.port,
      remoteAddress: formatAddress(remote.address),
      remotePort: remote.port,
    }));
}

/** Those of the network namespace of this process. */
export function readStandingConnections(meshRanges: readonly string[]): StandingConnection[] {
  const tables = ["/proc/net/tcp", "/proc/net/tcp6"].map((path) => {
    try {
      return readFileSync(path, "latin1");
    } catch {
      // A kernel without the family.
      return "";
    }
  });
  return standingConnections(tables, meshRanges);
}

/** `  12: 0100007F:0016 0200007F:C350 01 …`: slot, local end, remote end, state. */
function parseRow(line: string): Row[] {
  const [, local, remote, state] = line.trim().split(/\s+/);
  if (local === undefined || remote === undefined || state === undefined) return [];
  return [{ state, local: parseEnd(local), remote: parseEnd(remote) }];
}

/** Words of 32 bits in the machine's byte order, little-endian; an IPv4 address of an IPv6 socket is mapped (RFC 4291). */
function parseEnd(text: string): { address: Uint8Array; port: number } {
  const [hex = "", port = ""] = text.split(":");
  const bytes = Buffer.from(hex, "hex").swap32();
  const isMapped = bytes.length === 16 && bytes.subarray(0, 12).equals(MAPPED);
  return { address: Uint8Array.from(isMapped ? bytes.subarray(12) : bytes), port: Number.parseInt(port, 16) };
}

const MAPPED = Buffer.from(parseAddress("::ffff:0.0.0.0").subarray(0, 12));
