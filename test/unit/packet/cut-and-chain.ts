/** What can be done to a packet that `wire.ts` builds: cut it into fragments, chain extension headers before its transport. */
import { naiveSum } from "./wire.ts";

const ROUTING = 43;
const FRAGMENT = 44;

interface Cut {
  readonly from: number;
  readonly to: number;
  readonly more: boolean;
  readonly id?: number;
}

/** The part of a packet's data from byte `from` to before `to`, as a fragment. */
export function fragmentOf(packet: Uint8Array, { from, to, more, id = 77 }: Cut): Uint8Array {
  const isV4 = packet[0]! >> 4 === 4;
  const headerBytes = isV4 ? 20 : 40;
  const data = packet.subarray(headerBytes + from, headerBytes + to);
  if (isV4) {
    const fragment = Uint8Array.from([...packet.subarray(0, 20), ...data]);
    const view = new DataView(fragment.buffer);
    view.setUint16(2, fragment.length);
    view.setUint16(4, id);
    view.setUint16(6, (more ? 0x2000 : 0) | (from / 8));
    view.setUint16(10, 0);
    view.setUint16(10, ~naiveSum(fragment.subarray(0, 20)));
    return fragment;
  }
  const header = [packet[6]!, 0, from >> 8, (from & 0xf8) | (more ? 1 : 0), 0, 0, id >> 8, id & 255];
  const fragment = Uint8Array.from([...packet.subarray(0, 40), ...header, ...data]);
  fragment[6] = FRAGMENT;
  new DataView(fragment.buffer).setUint16(4, header.length + data.length);
  return fragment;
}

/** The packet with extension headers of 8 bytes before its transport, all legal: nothing left to route, an atomic fragment. */
export function withExtensions(packet: Uint8Array, types: readonly number[]): Uint8Array {
  const contents = (type: number) => (type === ROUTING || type === FRAGMENT ? [0, 0] : [1, 4]);
  const chain = types.flatMap((type, i) => [types[i + 1] ?? packet[6]!, 0, ...contents(type), 0, 0, 0, 0]);
  const extended = Uint8Array.from([...packet.subarray(0, 40), ...chain, ...packet.subarray(40)]);
  extended[6] = types[0]!;
  new DataView(extended.buffer).setUint16(4, extended.length - 40);
  return extended;
}
