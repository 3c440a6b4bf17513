/**
 * Micro-benchmarks of the data plane between two stubs: nanoseconds per packet from the TUN device to the socket, and
 * from the socket to the TUN device, tables, session and AEAD included, system calls not. A plain script:
 *
 *     npx tsc -p bench/micro && node dist/bench/bench/micro/router.bench.js [openssl|sodium|noble]
 */
import { systemClock } from "../../src/base/clock.ts";
import { FilterCells } from "../../src/filter/filter-cells.ts";
import { parseCidr } from "../../src/packet/cidr.ts";
import type { PacketBuffer } from "../../src/packet/packet-buffer.ts";
import { DataPlane } from "../../src/router/data/data-plane.ts";
import { WARM_UP_FRAMES } from "../../src/router/data/warm-up-frames.ts";
import { Counters } from "../../src/router/shared/counters.ts";
import { PathCells } from "../../src/router/shared/path-cells.ts";
import { UplinkGauge } from "../../src/router/shared/uplink.ts";
import {
  type DatagramTransport,
  emptyTransportStats,
  type ReceivedRun,
  SendOutcome,
} from "../../src/transports/datagram-transport.ts";
import type { TunDevice } from "../../src/tun/tun-device.ts";
import { VIRTIO_HEADER_BYTES } from "../../src/tun/virtio-header.ts";
import type { AeadProviderName } from "../../src/wireguard/aead/provider.ts";
import { selectAeadProvider } from "../../src/wireguard/aead/select.ts";
import { WHITEPAPER_TIMINGS } from "../../src/wireguard/constants.ts";
import { selectHandshakeCrypto } from "../../src/wireguard/crypto/select.ts";
import { KeySlots, PeerCells } from "../../src/wireguard/shared-state.ts";

const ROUND_MS = 300;
const ROUNDS = 5;
const PEERS = 256;
const OFFLOADS = { checksum: true, tcp4: true, tcp6: true, udp: true };
const ENDPOINT = { address: "192.0.2.1", port: 51_820 };

const { provider } = selectAeadProvider(process.argv[2] as AeadProviderName | undefined);
const { crypto } = selectHandshakeCrypto();

/** A device that has the same frame as often as it is told, and takes everything. */
class FrameSource implements TunDevice {
  readonly name = "bench";
  readonly mtuBytes = 1420;
  readonly offloads = OFFLOADS;
  frame: Uint8Array = new Uint8Array(0);
  left = 0;
  writtenFrames = 0;

  readFrame(buffer: PacketBuffer, offset: number): number {
    if (this.left === 0) return 0;
    this.left--;
    buffer.bytes.set(this.frame, offset);
    return this.frame.length;
  }

  writeFrame(): boolean {
    this.writtenFrames++;
    return true;
  }

  close(): void {}
}

/** Keeps the runs that were sent, to be received over and over; or forgets them. */
class RunStore implements DatagramTransport {
  readonly pollFds: readonly number[] = [];
  readonly port = ENDPOINT.port;
  readonly stats = emptyTransportStats();
  keeps = false;
  readonly kept: { readonly bytes: Uint8Array; readonly strideBytes: number }[] = [];
  next = 0;

  receive(into: ReceivedRun): boolean {
    const run = this.kept[this.next];
    if (run === undefined) return false;
    this.next++;
    into.buffer.bytes.set(run.bytes, into.offset);
    into.totalBytes = run.bytes.length;
    into.strideBytes = run.strideBytes;
    if (!into.source.isSet) into.source.set(ENDPOINT);
    return true;
  }

  send(buffer: PacketBuffer, offset: number, totalBytes: number, segmentBytes: number): SendOutcome {
    this.stats.sentDatagrams += Math.ceil(totalBytes / segmentBytes);
    if (this.keeps)
      this.kept.push({
        bytes: Uint8Array.from(buffer.bytes.subarray(offset, offset + totalBytes)),
        strideBytes: segmentBytes,
      });
    return SendOutcome.sent;
  }

  close(): void {}
}

class Bench {
  readonly tun = new FrameSource();
  readonly transport = new RunStore();
  readonly plane: DataPlane;
  readonly #slots = new KeySlots(1);

  constructor() {
    this.plane = new DataPlane({
      tun: this.tun,
      transport: this.transport,
      clock: systemClock,
      provider,
      crypto,
      timings: WHITEPAPER_TIMINGS,
      slots: this.#slots,
      cells: new PeerCells(PEERS),
      pathCells: new PathCells(PEERS),
      counters: new Counters(8),
      filterCells: new FilterCells(),
      gauge: new UplinkGauge(),
      post: () => {},
    });
    for (let peer = 0; peer < PEERS; peer++) {
      this.plane.apply({ type: "add-peer", peer, hasPaths: false });
      const cidr = peer === 0 ? "10.0.0.0/24" : `10.1.${peer}.0/24`;
      this.plane.apply({ type: "allow", peer, ...parseCidr(cidr) });
    }
    this.plane.apply({ type: "allow", peer: 0, ...parseCidr("fd00::/64") });
    this.plane.apply({ type: "set-endpoint", peer: 0, endpoint: ENDPOINT });
    this.renew();
  }

  /** A fresh session with itself: replayed runs are new again. */
  renew(): void {
    this.plane.apply({ type: "remove-keypair", peer: 0, slot: 0 });
    this.#slots.sendKey(0).fill(7);
    this.#slots.receiveKey(0).fill(7);
    const common = { type: "install-keypair", peer: 0, slot: 0, isInitiator: true } as const;
    this.plane.apply({ ...common, localIndex: 5, remoteIndex: 5, createdAtMs: systemClock.monotonicMs() });
  }

  outbound(frame: Uint8Array, frames: number): number {
    this.tun.frame = frame;
    this.tun.left = frames;
    const before = this.transport.stats.sentDatagrams;
    while (this.plane.drainTun()) {}
    return this.transport.stats.sentDatagrams - before;
  }

  inbound(): void {
    this.transport.next = 0;
    while (this.plane.drainTransport()) {}
    if (this.tun.writtenFrames === 0) throw new Error("nothing came through");
  }
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

/** `run` returns packets and how long they took. */
function report(name: string, run: () => { packets: number; ms: number }): void {
  run();
  const rounds = Array.from({ length: ROUNDS }, () => {
    let packets = 0;
    let ms = 0;
    while (ms < ROUND_MS) {
      const once = run();
      packets += once.packets;
      ms += once.ms;
    }
    return (ms * 1e6) / packets;
  });
  console.log(`${name.padEnd(48)} ${median(rounds).toFixed(0).padStart(7)} ns a packet`);
}

function timed(run: () => number): { packets: number; ms: number } {
  const startedMs = performance.now();
  const packets = run();
  return { packets, ms: performance.now() - startedMs };
}

function superframe(version: 4 | 6): Uint8Array {
  const wanted = version === 4 ? 1 : 4;
  const frame = WARM_UP_FRAMES.map(({ forth }) => forth).find((candidate) => candidate[1] === wanted);
  if (frame === undefined) throw new Error("no superpacket among the warm-up's frames");
  return frame;
}

console.log(`data plane with ${PEERS} peers, AEAD by ${provider.name}\n`);
const small = WARM_UP_FRAMES[0]!.forth;
const kinds = [
  ["TCP over IPv4, superpackets", superframe(4)],
  ["TCP over IPv6, superpackets", superframe(6)],
  [`UDP over IPv4, packets of ${small.length - VIRTIO_HEADER_BYTES} bytes`, small],
] as const;
for (const [name, frame] of kinds) {
  const bench = new Bench();
  const frames = frame === small ? 4096 : 256;
  report(`outbound: ${name}`, () => timed(() => bench.outbound(frame, frames)));
  bench.renew();
  bench.transport.keeps = true;
  const packets = bench.outbound(frame, frames);
  report(`inbound: ${name}`, () => {
    bench.renew();
    return timed(() => {
      bench.inbound();
      return packets;
    });
  });
}
