import { systemClock } from "../../base/clock.ts";
import { FilterCells } from "../../filter/filter-cells.ts";
import { AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from "../../host/ffi/constants.ts";
import { checked } from "../../host/ffi/errno.ts";
import * as libc from "../../host/ffi/libc.ts";
import { NativeMemory } from "../../host/ffi/native-memory.ts";
import { parseCidr } from "../../packet/cidr.ts";
import { PacketBuffer } from "../../packet/packet-buffer.ts";
import { EndpointRecord } from "../../transports/endpoint-record.ts";
import { openUdpSockets, UdpTransport } from "../../transports/udp/udp-transport.ts";
import { LinuxTun } from "../../tun/linux-tun.ts";
import type { AeadProvider } from "../../wireguard/aead/provider.ts";
import type { WireGuardTimings } from "../../wireguard/constants.ts";
import type { HandshakeCrypto } from "../../wireguard/crypto/handshake-crypto.ts";
import { KeySlots, PeerCells } from "../../wireguard/shared-state.ts";
import { Counters } from "../shared/counters.ts";
import { PathCells } from "../shared/path-cells.ts";
import { UplinkGauge } from "../shared/uplink.ts";
import { WakeFlag } from "../shared/wake-flag.ts";
import { DataLoop } from "./data-loop.ts";
import { DataPlane } from "./data-plane.ts";
import { WARM_UP_FRAMES, WARM_UP_PREFIXES, WARM_UP_SILENT_PREFIX, WARM_UP_STRAYS } from "./warm-up-frames.ts";

/** In turns through all kinds of exchange. */
export const WARM_UP_ROUNDS = 500;
/** What happens once in the life of a data plane must have been seen more than once, or compiled code lacks it. */
export const WARM_UP_STARTS = 3;
const MAX_MS = 2000;
/** Rounds between datagrams that are nothing, and wakes for nothing: rare ways are taken too. */
const STRAY_INTERVAL = 10;
const MTU_BYTES = 1420;
const OFFLOADS = { checksum: true, tcp4: true, tcp6: true, udp: true };
/** As most are, too large for a small integer of V8. */
const FIRST_INDEX = 0xfedc_ba98;
/** Previous, current and next session, and one on its way. */
const SLOTS = 4;
const STRAY_BYTES = 40;
const LOOPBACK = "127.0.0.1";

export interface WarmUpDeps {
  readonly provider: AeadProvider;
  readonly crypto: HandshakeCrypto;
  /** The very object of the real data plane: compiled code knows objects by how they were made. */
  readonly timings: WireGuardTimings;
}

/**
 * Runs the packet path until the JavaScript engine has compiled it. A function is compiled well only after it has run
 * some thousand times; on a quiet tunnel that takes hours, with round trips twice as long until then.
 *
 * Two data planes talk to each other over loopback sockets; a pair of Unix sockets stands for each TUN device. They are of
 * the very classes that carry packets later: compiled code is good for the classes that it has seen. Nothing depends on
 * its success; without a loopback interface it ends by itself. Returns how many frames came through.
 */
export function warmUp(deps: WarmUpDeps): number {
  const deadlineMs = systemClock.monotonicMs() + MAX_MS;
  let frames = 0;
  for (let start = 0; start < WARM_UP_STARTS; start++) frames += converse(deps, deadlineMs);
  return frames;
}

function converse(deps: WarmUpDeps, deadlineMs: number): number {
  // Functions of their own for each: what is alike for all would be compiled in, and thrown out for the real thing.
  const left = new WarmUpEnd(deps, { onWake: () => {}, post: () => {} });
  const right = new WarmUpEnd(deps, { onWake: () => undefined, post: () => undefined });
  try {
    right.meet(left, 1);
    left.meet(right, 0);
    let frames = 0;
    for (let round = 0; round < WARM_UP_ROUNDS && systemClock.monotonicMs() < deadlineMs; round++) {
      const frame = WARM_UP_FRAMES[round % WARM_UP_FRAMES.length]!;
      frames += left.pass(frame.forth, right) + right.pass(frame.back, left);
      if (round % STRAY_INTERVAL !== 0) continue;
      left.disturb(right);
      const slot = (round / STRAY_INTERVAL) % SLOTS;
      right.renew(1, slot);
      left.renew(0, slot);
    }
    return frames;
  } finally {
    left.close();
    right.close();
  }
}

class WarmUpEnd {
  readonly #tun: LinuxTun;
  /** The host's end of the device. */
  readonly #host: LinuxTun;
  readonly #transport = new UdpTransport(openUdpSockets({ port: 0, fwmark: 0 }));
  readonly #slots = new KeySlots(SLOTS);
  readonly #plane: DataPlane;
  readonly #wake = WakeFlag.open();
  readonly #loop: DataLoop;
  readonly #scratch = new PacketBuffer(2 ** 17);
  readonly #pieces = new Int32Array(2);

  constructor(deps: WarmUpDeps, handlers: { readonly onWake: () => void; readonly post: () => void }) {
    const pair = new NativeMemory(8);
    const type = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    checked("socketpair", libc.socketpair(AF_UNIX, type, 0, pair.address));
    const endOf = (offset: number) =>
      new LinuxTun(
        { fd: pair.view.getInt32(offset, true), name: "warm-up", hasVirtioHeader: true, offloads: OFFLOADS },
        MTU_BYTES,
      );
    this.#tun = endOf(0);
    this.#host = endOf(4);
    const counters = new Counters(2);
    this.#plane = new DataPlane({
      ...deps,
      tun: this.#tun,
      transport: this.#transport,
      clock: systemClock,
      slots: this.#slots,
      cells: new PeerCells(2),
      pathCells: new PathCells(2),
      counters,
      filterCells: new FilterCells(),
      gauge: new UplinkGauge(),
      post: handlers.post,
    });
    this.#loop = new DataLoop({
      plane: this.#plane,
      counters,
      clock: systemClock,
      wake: this.#wake,
      tunFd: this.#tun.fd,
      transportFds: this.#transport.pollFds,
      onWake: handlers.onWake,
    });
  }

  meet(other: WarmUpEnd, side: 0 | 1): void {
    const commands = [
      { type: "add-peer", peer: 0, hasPaths: false },
      { type: "add-peer", peer: 1, hasPaths: false },
      { type: "set-endpoint", peer: 0, endpoint: { address: LOOPBACK, port: other.#transport.port } },
      ...WARM_UP_PREFIXES.map((prefix) => ({ type: "allow", peer: 0, ...parseCidr(prefix) }) as const),
      { type: "allow", peer: 1, ...parseCidr(WARM_UP_SILENT_PREFIX) },
    ] as const;
    for (const command of commands) this.#plane.apply(command);
    this.renew(side, 0);
  }

  /** A new session in `slot`: what a handshake leads to. */
  renew(side: 0 | 1, slot: number): void {
    this.#slots.sendKey(slot).fill(1 + side);
    this.#slots.receiveKey(slot).fill(2 - side);
    const index = FIRST_INDEX + slot;
    const createdAtMs = systemClock.monotonicMs();
    const common = { type: "install-keypair", peer: 0, slot, localIndex: index, remoteIndex: index } as const;
    this.#plane.apply({ ...common, isInitiator: side === 0, createdAtMs });
    if (side === 0) this.#plane.apply({ type: "send-staged", peer: 0 });
  }

  /** The host sends `frame`; returns what the other host gets: frames, so 1. */
  pass(frame: Uint8Array, other: WarmUpEnd): number {
    this.#write(frame);
    this.#loop.turn(0);
    other.#loop.turn(0);
    let frames = 0;
    while (other.#host.readFrame(other.#scratch, 0) > 0) frames++;
    return frames;
  }

  /** The host sends frames that go nowhere, the network brings what is no message, a wake is for nothing. */
  disturb(other: WarmUpEnd): void {
    for (const stray of WARM_UP_STRAYS) this.#write(stray);
    const destination = new EndpointRecord();
    destination.set({ address: LOOPBACK, port: other.#transport.port });
    this.#transport.send(this.#scratch, 0, STRAY_BYTES, STRAY_BYTES, destination);
    for (const end of [this, other]) {
      end.#wake.wake();
      end.#loop.turn(0);
      while (end.#host.readFrame(end.#scratch, 0) > 0) {}
    }
  }

  #write(frame: Uint8Array): void {
    this.#scratch.bytes.set(frame);
    this.#pieces[1] = frame.length;
    this.#host.writeFrame(this.#scratch, this.#pieces, 1);
  }

  close(): void {
    this.#plane.close();
    this.#transport.close();
    this.#wake.close();
    this.#tun.close();
    this.#host.close();
  }
}
