import type { Clock } from "../../../src/base/clock.ts";
import { compileFilter } from "../../../src/filter/compile.ts";
import { FilterCells } from "../../../src/filter/filter-cells.ts";
import type { FilterPolicy } from "../../../src/filter/policy.ts";
import { parseAddress } from "../../../src/packet/address.ts";
import { parseCidr } from "../../../src/packet/cidr.ts";
import type { UdpEndpoint } from "../../../src/packet/endpoint.ts";
import { PacketBuffer } from "../../../src/packet/packet-buffer.ts";
import { DataPlane } from "../../../src/router/data/data-plane.ts";
import type { DataCommand, DataEvent } from "../../../src/router/shared/commands.ts";
import { Counters } from "../../../src/router/shared/counters.ts";
import type { DropReason } from "../../../src/router/shared/drop-reasons.ts";
import { PathCells } from "../../../src/router/shared/path-cells.ts";
import { UplinkGauge, type UplinkMessage } from "../../../src/router/shared/uplink.ts";
import { CombinedTransport } from "../../../src/transports/combined-transport.ts";
import { EndpointRecord } from "../../../src/transports/endpoint-record.ts";
import type { MemoryNetwork, MemoryTransport } from "../../../src/transports/memory/memory-transport.ts";
import { PipeEnd, type PipeEndRings } from "../../../src/transports/pipe/pipe-end.ts";
import { MemoryTun } from "../../../src/tun/memory-tun.ts";
import { VIRTIO_HEADER_BYTES } from "../../../src/tun/virtio-header.ts";
import { selectAeadProvider } from "../../../src/wireguard/aead/select.ts";
import { WHITEPAPER_TIMINGS } from "../../../src/wireguard/constants.ts";
import { selectHandshakeCrypto } from "../../../src/wireguard/crypto/select.ts";
import { KeySlots, PeerCells } from "../../../src/wireguard/shared-state.ts";
import { segmentsOf } from "../packet/wire.ts";

const { provider } = selectAeadProvider();
const { crypto } = selectHandshakeCrypto();

/** A clock that stands until it is moved. */
export class ManualClock implements Clock {
  nowMs = 1_000_000;
  monotonicMs = () => this.nowMs;
  wallMs = () => this.nowMs;
}

export interface PlaneNodeOptions {
  readonly network: MemoryNetwork;
  readonly clock: ManualClock;
  readonly address: UdpEndpoint;
  readonly mtuBytes?: number;
  readonly filter?: FilterPolicy;
  /** A way beside the network's. */
  readonly pipes?: PipeEndRings;
}

/** A data plane between a TUN device and a network in memory; the test is its control thread. */
export class PlaneNode {
  readonly tun: MemoryTun;
  readonly transport: MemoryTransport;
  readonly address: UdpEndpoint;
  readonly slots = new KeySlots(16);
  readonly cells = new PeerCells(8);
  readonly pathCells = new PathCells(8);
  readonly counters = new Counters(8);
  readonly filterCells = new FilterCells();
  readonly gauge = new UplinkGauge();
  readonly messages: UplinkMessage[] = [];
  readonly plane: DataPlane;

  constructor(options: PlaneNodeOptions) {
    const { network, clock, address, filter } = options;
    this.address = address;
    this.tun = new MemoryTun({ mtuBytes: options.mtuBytes ?? 1420 });
    this.transport = network.attach(address);
    this.plane = new DataPlane({
      tun: this.tun,
      transport:
        options.pipes === undefined
          ? this.transport
          : new CombinedTransport(this.transport, new PipeEnd(options.pipes)),
      clock,
      provider,
      crypto,
      timings: WHITEPAPER_TIMINGS,
      slots: this.slots,
      cells: this.cells,
      pathCells: this.pathCells,
      counters: this.counters,
      gauge: this.gauge,
      filterCells: this.filterCells,
      post: (message) => this.messages.push(message),
    });
    if (filter !== undefined) this.apply({ type: "use-filter", program: compileFilter(filter) });
  }

  apply(...commands: readonly DataCommand[]): void {
    for (const command of commands) this.plane.apply(command);
  }

  allow(peer: number, ...cidrs: readonly string[]): void {
    for (const cidr of cidrs) this.apply({ type: "allow", peer, ...parseCidr(cidr) });
  }

  /** Moves everything that waits, in both directions. */
  drain(): void {
    while (this.plane.drainTun()) {}
    while (this.plane.drainTransport()) {}
  }

  /** Whole packets that the host received since the last call. */
  takePackets(): Uint8Array[] {
    return this.tun.takeWritten().flatMap((frame) => {
      const isSuperpacket = frame[1] !== 0;
      return isSuperpacket ? segmentsOf(frame) : [frame.slice(VIRTIO_HEADER_BYTES)];
    });
  }

  takeEvents<T extends DataEvent["type"]>(type: T): Extract<DataEvent, { type: T }>[] {
    const isWanted = (message: UplinkMessage) => message.event.type === type;
    const wanted = this.messages.filter(isWanted).map(({ event }) => event as Extract<DataEvent, { type: T }>);
    this.messages.splice(0, this.messages.length, ...this.messages.filter((message) => !isWanted(message)));
    return wanted;
  }

  /** Reasons that have counted, and how often. */
  drops(): Partial<Record<DropReason, number>> {
    return Object.fromEntries(Object.entries(this.counters.drops()).filter(([, count]) => count > 0));
  }

  /** A stranger's datagram to this node. */
  receive(from: UdpEndpoint, bytes: Uint8Array): void {
    this.transport.enqueue({ from, bytes });
    this.drain();
  }
}

/** Local index of the keypair in `slot`; any node's, for the peer's side is the same node's number. */
export function indexOf(slot: number): number {
  return 0x10000 + slot;
}

export interface SessionOptions {
  readonly slot?: number;
  readonly createdAtMs: number;
  /** Whose initiation it was; the other's keypair waits as `next`. */
  readonly leftInitiates?: boolean;
}

/** Gives `left` (which calls `right` peer 0) and `right` (which calls `left` peer 0) a session with each other. */
export function installSession(left: PlaneNode, right: PlaneNode, options: SessionOptions): void {
  const { slot = 0, createdAtMs, leftInitiates = true } = options;
  const keys = [new Uint8Array(32).fill(2 * slot + 1), new Uint8Array(32).fill(2 * slot + 2)] as const;
  const common = { type: "install-keypair", peer: 0, slot, createdAtMs } as const;
  const sides = [
    { node: left, send: keys[0], receive: keys[1], isInitiator: leftInitiates },
    { node: right, send: keys[1], receive: keys[0], isInitiator: !leftInitiates },
  ];
  for (const { node, send, receive, isInitiator } of sides) {
    node.slots.sendKey(slot).set(send);
    node.slots.receiveKey(slot).set(receive);
    node.apply({ ...common, localIndex: indexOf(slot), remoteIndex: indexOf(slot), isInitiator });
  }
}

export interface PlanePair {
  readonly left: PlaneNode;
  readonly right: PlaneNode;
}

/** Two nodes that know each other, 10.0.0.1 and 10.0.0.2 (fd00::1, fd00::2) inside, without a session. */
export function acquaintedPair(
  network: MemoryNetwork,
  clock: ManualClock,
  options: {
    readonly leftFilter?: FilterPolicy;
    readonly rightFilter?: FilterPolicy;
    readonly mtuBytes?: number;
  } = {},
): PlanePair {
  const { leftFilter, rightFilter, mtuBytes = 1420 } = options;
  const node = (address: string, filter: FilterPolicy | undefined) =>
    new PlaneNode({
      network,
      clock,
      mtuBytes,
      address: { address, port: 51_820 },
      ...(filter === undefined ? {} : { filter }),
    });
  const left = node("192.0.2.1", leftFilter);
  const right = node("192.0.2.2", rightFilter);
  left.apply(
    { type: "add-peer", peer: 0, hasPaths: false },
    { type: "set-endpoint", peer: 0, endpoint: right.address },
  );
  right.apply(
    { type: "add-peer", peer: 0, hasPaths: false },
    { type: "set-endpoint", peer: 0, endpoint: left.address },
  );
  left.allow(0, "10.0.0.2/32", "fd00::2/128");
  right.allow(0, "10.0.0.1/32", "fd00::1/128");
  return { left, right };
}

export const ADDRESSES = {
  left4: parseAddress("10.0.0.1"),
  right4: parseAddress("10.0.0.2"),
  left6: parseAddress("fd00::1"),
  right6: parseAddress("fd00::2"),
  stranger4: parseAddress("10.0.0.77"),
} as const;

/** A data message of `from`'s session in `slot` that carries `payload` (padding included), as it stands on the wire. */
export function sealMessage(key: Uint8Array, receiverIndex: number, counter: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(new ArrayBuffer(32 + payload.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 4, true);
  view.setUint32(4, receiverIndex, true);
  bytes.set(payload, 16);
  const sealer = provider.createSealer(key);
  sealer.seal(bytes, 0, bytes.length, 1, bytes.length, counter);
  sealer.dispose();
  return bytes;
}

/** Sends `bytes` as they are to `to`. */
export function sendRaw(from: MemoryTransport, to: UdpEndpoint, bytes: Uint8Array): void {
  const buffer = new PacketBuffer((bytes.length + 3) & ~3);
  buffer.bytes.set(bytes);
  const record = new EndpointRecord();
  record.set(to);
  from.send(buffer, 0, bytes.length, bytes.length, record);
}
