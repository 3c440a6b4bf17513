import { IcmpKind, icmpKind, isIcmp } from "../packet/icmp-types.ts";
import type { PacketBuffer } from "../packet/packet-buffer.ts";
import { IpProtocol, type PacketRecord } from "../packet/packet-record.ts";
import { ProtocolClass } from "./program.ts";

/** Words of a key: near address 4, far address 4, ports, and what else tells connections apart. */
export const KEY_WORDS = 10;
const FAR = 4;
const PORTS = 8;
const REST = 9;

const PEER_SHIFT = 12;
const ECHO_FROM_HERE = 1 << 9;
const IS_V6 = 1 << 8;

/**
 * Which connection a packet is of, seen from this machine: the near end is ours (or routed by us), the far end the peer's, so
 * that packets of both directions have one key. Reused for every packet; offsets are in the packet's buffer.
 */
export class Flow {
  readonly key = new Int32Array(KEY_WORDS);
  /** Never 0. */
  hash = 1;
  protocol: ProtocolClass = ProtocolClass.other;
  version = 0;
  peer = 0;
  nearOffset = 0;
  farOffset = 0;
  /** TCP and UDP, else 0. */
  nearPort = 0;
  farPort = 0;
  readonly #seed: number;

  /** @param seed random: nobody else is to know which connections meet in the table */
  constructor(seed: number) {
    this.#seed = seed | 0;
  }

  take(buffer: PacketBuffer, packet: PacketRecord, peer: number, isOutbound: boolean): void {
    const { protocol } = packet;
    this.version = packet.version;
    this.peer = peer;
    this.nearOffset = isOutbound ? packet.sourceOffset : packet.destinationOffset;
    this.farOffset = isOutbound ? packet.destinationOffset : packet.sourceOffset;
    this.nearPort = 0;
    this.farPort = 0;
    let ports = 0;
    let rest = (peer << PEER_SHIFT) | protocol | (packet.version === 6 ? IS_V6 : 0);
    if (protocol === IpProtocol.tcp || protocol === IpProtocol.udp) {
      this.protocol = protocol === IpProtocol.tcp ? ProtocolClass.tcp : ProtocolClass.udp;
      this.nearPort = isOutbound ? packet.sourcePort : packet.destinationPort;
      this.farPort = isOutbound ? packet.destinationPort : packet.sourcePort;
      ports = (this.nearPort << 16) | this.farPort;
    } else if (isIcmp(packet)) {
      this.protocol = ProtocolClass.icmp;
      ports = packet.icmpId;
      // Two ends may ping each other with one identifier: these are two connections.
      if ((icmpKind(packet) === IcmpKind.echoRequest) === isOutbound) rest |= ECHO_FROM_HERE;
    } else {
      this.protocol = ProtocolClass.other;
    }
    this.#makeKey(buffer, ports, rest);
  }

  /** Which bits of keys say who speaks with whom about what, whatever port or identifier the starter has chosen. */
  maskOfService(startedHere: boolean): Int32Array {
    const mask = new Int32Array(KEY_WORDS).fill(-1);
    if (this.protocol === ProtocolClass.icmp) mask[PORTS] = 0;
    else mask[PORTS] = startedHere ? 0xffff : ~0xffff;
    return mask;
  }

  #makeKey(buffer: PacketBuffer, ports: number, rest: number): void {
    const { key, nearOffset, farOffset } = this;
    const { view } = buffer;
    let hash = mix(mix(this.#seed, ports), rest);
    const words = this.version === 6 ? 4 : 1;
    for (let i = 0; i < words; i++) {
      const near = view.getInt32(nearOffset + 4 * i);
      const far = view.getInt32(farOffset + 4 * i);
      key[i] = near;
      key[FAR + i] = far;
      hash = mix(mix(hash, near), far);
    }
    for (let i = words; i < 4; i++) {
      key[i] = 0;
      key[FAR + i] = 0;
    }
    key[PORTS] = ports;
    key[REST] = rest;
    this.hash = (hash ^ (hash >>> 16)) | 1;
  }
}

/** A round of a multiplying hash (the constants of MurmurHash3). */
function mix(hash: number, word: number): number {
  const spread = Math.imul(word, 0xcc9e2d51);
  const mixed = hash ^ Math.imul((spread << 15) | (spread >>> 17), 0x1b873593);
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}
