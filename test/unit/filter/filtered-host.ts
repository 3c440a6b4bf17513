import { compileFilter } from "../../../src/filter/compile.ts";
import { FilterCells } from "../../../src/filter/filter-cells.ts";
import { PacketFilter } from "../../../src/filter/packet-filter.ts";
import { type FilterPolicy, OPEN_POLICY, type ResolvedRule } from "../../../src/filter/policy.ts";
import { Verdict } from "../../../src/filter/verdict.ts";
import { parseAddress } from "../../../src/packet/address.ts";
import { PacketBuffer } from "../../../src/packet/packet-buffer.ts";
import { PacketRecord } from "../../../src/packet/packet-record.ts";
import { parsePacket } from "../../../src/packet/parse.ts";
import { ACK, buildPacket, SYN, TCP, UDP } from "../packet/wire.ts";

export type Family = 4 | 6;
const NEAR = { 4: "10.0.0.1", 6: "fd00::1" } as const;
const FAR = { 4: "10.0.0.2", 6: "fd00::2" } as const;

export function rule(fields: Partial<ResolvedRule>): ResolvedRule {
  return {
    action: "allow",
    direction: "in",
    protocol: "tcp,udp",
    ports: null,
    peers: null,
    sources: null,
    destinations: null,
    slot: 0,
    ...fields,
  };
}

export function policy(fields: Partial<FilterPolicy>): FilterPolicy {
  return { ...OPEN_POLICY, ...fields };
}

/** Lets in what is asked for only. */
export const CLOSED = policy({ defaults: { in: "deny", out: "allow" } });

/** A filter on a host, 10.0.0.1 and fd00::1, with a peer at 10.0.0.2 and fd00::2; time stands until it is moved. */
export class FilteredHost {
  readonly cells = new FilterCells();
  readonly filter: PacketFilter;
  nowMs = 5_000_000;
  readonly #buffer = new PacketBuffer(2 ** 17);
  readonly #record = new PacketRecord();

  constructor(initial?: FilterPolicy, maxConnections = 1024) {
    this.filter = new PacketFilter({ cells: this.cells, seed: 7, maxConnections });
    if (initial !== undefined) this.use(initial);
  }

  use(wanted: FilterPolicy): void {
    this.filter.use(compileFilter(wanted), this.nowMs);
  }

  pass(seconds: number): void {
    this.nowMs += seconds * 1000;
  }

  /** What becomes of a packet, in words. */
  send(packet: Uint8Array, peer = 3, isByExit = false): keyof typeof Verdict {
    return this.#ask(packet, peer, isByExit, true);
  }

  receive(packet: Uint8Array, peer = 3, isByExit = false): keyof typeof Verdict {
    return this.#ask(packet, peer, isByExit, false);
  }

  #ask(packet: Uint8Array, peer: number, isByExit: boolean, isOutbound: boolean): keyof typeof Verdict {
    this.#buffer.bytes.set(packet, 16);
    if (!parsePacket(this.#buffer, 16, packet.length, this.#record))
      throw new Error(`no packet: ${this.#record.failure}`);
    const verdict = isOutbound
      ? this.filter.outbound(this.#buffer, this.#record, peer, isByExit, this.nowMs)
      : this.filter.inbound(this.#buffer, this.#record, peer, isByExit, this.nowMs);
    return (Object.keys(Verdict) as (keyof typeof Verdict)[]).find((name) => Verdict[name] === verdict)!;
  }
}

/** Packets of one connection, from our end (`out`) and from the peer's (`in`). */
export class Talk {
  readonly #family: Family;
  readonly #nearPort: number;
  readonly #farPort: number;

  constructor(family: Family, nearPort: number, farPort: number) {
    this.#family = family;
    this.#nearPort = nearPort;
    this.#farPort = farPort;
  }

  tcp(direction: "in" | "out", tcpFlags: number = ACK): Uint8Array {
    return buildPacket({ ...this.#ends(direction), protocol: TCP, tcpFlags });
  }

  udp(direction: "in" | "out", payload: Uint8Array = new Uint8Array(4)): Uint8Array {
    return buildPacket({ ...this.#ends(direction), protocol: UDP, payload });
  }

  /** The handshake, begun from `starter`. */
  handshake(starter: "in" | "out"): readonly (readonly ["in" | "out", Uint8Array])[] {
    const other = starter === "in" ? "out" : "in";
    return [
      [starter, this.tcp(starter, SYN)],
      [other, this.tcp(other, SYN | ACK)],
      [starter, this.tcp(starter, ACK)],
    ];
  }

  #ends(direction: "in" | "out") {
    const [near, far] = [parseAddress(NEAR[this.#family]), parseAddress(FAR[this.#family])];
    return direction === "out"
      ? {
          version: this.#family,
          source: near,
          destination: far,
          sourcePort: this.#nearPort,
          destinationPort: this.#farPort,
        }
      : {
          version: this.#family,
          source: far,
          destination: near,
          sourcePort: this.#farPort,
          destinationPort: this.#nearPort,
        };
  }
}

/** An ICMP message of either family; `rest` stands behind type, code and checksum. Checksums are nobody's business here. */
export function icmp(family: Family, direction: "in" | "out", type: number, rest: Iterable<number>): Uint8Array {
  const ends = new Talk(family, 1, 1).udp(direction, new Uint8Array(0));
  const header = family === 4 ? 20 : 40;
  const body = [type, 0, 0, 0, ...rest];
  const packet = Uint8Array.from([...ends.subarray(0, header), ...body]);
  const view = new DataView(packet.buffer);
  if (family === 4) {
    view.setUint16(2, packet.length);
    packet[9] = 1;
  } else {
    view.setUint16(4, body.length);
    packet[6] = 58;
  }
  return packet;
}

export const ECHO_REQUEST = { 4: 8, 6: 128 } as const;
export const ECHO_REPLY = { 4: 0, 6: 129 } as const;
export const UNREACHABLE = { 4: 3, 6: 1 } as const;

export function echo(family: Family, direction: "in" | "out", isReply: boolean, id = 9): Uint8Array {
  return icmp(family, direction, (isReply ? ECHO_REPLY : ECHO_REQUEST)[family], [id >> 8, id & 255, 0, 1, 1, 2, 3, 4]);
}
