/**
 * Micro-benchmarks of the packet path: nanoseconds per packet. A plain script; compile it first, since what a test
 * runner makes of module imports costs more than many of the functions measured here:
 *
 *     npx tsc -p bench/micro && node dist/bench/bench/micro/packet.bench.js
 */
import { copyAndSum, sumBytes } from "../../src/packet/checksum.ts";
import { MessageRun } from "../../src/packet/message-run.ts";
import { PacketBuffer } from "../../src/packet/packet-buffer.ts";
import { PacketRecord } from "../../src/packet/packet-record.ts";
import { parsePacket } from "../../src/packet/parse.ts";
import { PrefixTrie } from "../../src/packet/prefix-trie.ts";
import { Joiner } from "../../src/tun/join.ts";
import { Splitter } from "../../src/tun/split.ts";
import { FRAME_READ_OFFSET, type FrameSink } from "../../src/tun/tun-device.ts";
import { GsoType, VirtioFlag, VirtioHeader, writeVirtioHeader } from "../../src/tun/virtio-header.ts";
import { measure } from "./measure.ts";

/** Frame and run share one buffer: copies within a buffer are quicker. */
const RUN_OFFSET = 66_048;

function fillRandom(buffer: PacketBuffer): void {
  for (let i = 0; i < buffer.sizeBytes; i++) buffer.bytes[i] = Math.random() * 256;
}

function checksums(): void {
  const source = new PacketBuffer(131_072);
  fillRandom(source);
  for (const shift of [0, 1, 2]) {
    measure(`checksum of 1,400 bytes at alignment ${shift}`, 40, () => {
      let sum = 0;
      for (let i = 0; i < 40; i++) sum += sumBytes(source, i * 1400 + shift, 1400, 0);
      return sum;
    });
    for (const target of [source, new PacketBuffer(131_072)]) {
      const where = target === source ? "within a buffer" : "to another buffer";
      measure(`copy ${where} and checksum, alignment ${shift}`, 40, () => {
        let sum = 0;
        for (let i = 0; i < 40; i++) sum += copyAndSum(source, i * 1400 + shift, target, 65_552 + i * 1432, 1400, 0);
        return sum;
      });
    }
  }
}

/** A superpacket as the kernel hands it over: TCP with timestamps, or UDP. */
function superframe(version: 4 | 6, protocol: 6 | 17, payloadBytes: number, gsoBytes: number): [PacketBuffer, number] {
  const ipBytes = version === 4 ? 20 : 40;
  const transportBytes = protocol === 6 ? 32 : 8;
  const packetBytes = ipBytes + transportBytes + payloadBytes;
  const frame = new PacketBuffer(RUN_OFFSET + 65_536);
  fillRandom(frame);
  const at = FRAME_READ_OFFSET + 10;
  frame.bytes.fill(0, 0, at + ipBytes + transportBytes);
  const virtio = new VirtioHeader();
  virtio.flags = VirtioFlag.needsChecksum;
  virtio.gsoType = protocol === 17 ? GsoType.udp : version === 4 ? GsoType.tcp4 : GsoType.tcp6;
  virtio.gsoBytes = gsoBytes;
  virtio.checksumStart = ipBytes;
  virtio.checksumOffset = protocol === 6 ? 16 : 6;
  if (payloadBytes <= gsoBytes) virtio.gsoType = GsoType.none;
  writeVirtioHeader(frame, FRAME_READ_OFFSET, virtio);
  frame.bytes[at] = version === 4 ? 0x45 : 0x60;
  frame.view.setUint16(at + (version === 4 ? 2 : 4), version === 4 ? packetBytes : packetBytes - 40);
  if (version === 4) frame.bytes[at + 6] = 0x40;
  frame.bytes[at + (version === 4 ? 9 : 6)] = protocol;
  frame.bytes.set([10, 86, 0, 1, 10, 86, 0, 2], at + ipBytes - 8);
  if (protocol === 6) frame.bytes.set([0x80, 0x10], at + ipBytes + 12);
  else frame.view.setUint16(at + ipBytes + 4, 8 + payloadBytes);
  const pseudo = 10 * 256 + 86 + 1 + 10 * 256 + 86 + 2 + protocol + transportBytes + payloadBytes;
  frame.view.setUint16(at + ipBytes + virtio.checksumOffset, (pseudo & 0xffff) + (pseudo >>> 16));
  return [frame, 10 + packetBytes];
}

function splitAndJoin(version: 4 | 6, protocol: 6 | 17, gsoBytes: number, payloadBytes: number): void {
  const name = `${protocol === 6 ? "TCP" : "UDP"} over IPv${version}, ${gsoBytes} bytes a segment`;
  const [frame, frameBytes] = superframe(version, protocol, payloadBytes, gsoBytes);
  const splitter = new Splitter();
  const run = new MessageRun(1420, { buffer: frame, offset: RUN_OFFSET });
  const split = () => {
    run.reset();
    if (!splitter.begin(frame, FRAME_READ_OFFSET, frameBytes) || !splitter.fitTo(1420) || !splitter.fill(run)) {
      throw new Error(`not split: ${splitter.failure}`);
    }
    return run.count;
  };
  const segments = split();
  measure(`split, ${name}, ${segments} segments`, segments, split);

  let pieces = 0;
  const sink: FrameSink = {
    writeFrame(_buffer, _pieces, pieceCount) {
      pieces += pieceCount;
      return true;
    },
  };
  const joiner = new Joiner({ checksum: true, tcp4: true, tcp6: true, udp: true }, sink);
  const record = new PacketRecord();
  const join = () => {
    for (let i = 0; i < segments; i++) {
      if (!parsePacket(run.buffer, RUN_OFFSET + 16 + i * run.strideBytes, run.strideBytes - 32, record))
        throw new Error("malformed");
      joiner.add(run.buffer, record);
    }
    joiner.flush();
    return pieces;
  };
  // Joining rewrites the first segment's headers: it must be split anew each time.
  measure(`split, parse and join, ${name}`, segments, () => split() + join());
  if (joiner.frames * segments !== joiner.packets) throw new Error("not everything was joined");
}

function smallPackets(): void {
  const [frame, frameBytes] = superframe(4, 17, 64, 64);
  const splitter = new Splitter();
  const run = new MessageRun(1420, { buffer: frame, offset: RUN_OFFSET });
  measure("64-byte UDP datagram into a run, checksum completed", 1, () => {
    splitter.begin(frame, FRAME_READ_OFFSET, frameBytes);
    splitter.fitTo(1420);
    if (!splitter.fill(run)) {
      run.reset();
      splitter.fill(run);
    }
    return run.count;
  });
  const record = new PacketRecord();
  const [tcp6] = superframe(6, 6, 1368, 1368);
  const [tcp4] = superframe(4, 6, 1368, 1368);
  measure("parse, TCP over IPv4 and IPv6", 2, () => {
    const at = FRAME_READ_OFFSET + 10;
    return Number(parsePacket(tcp4, at, 1420, record)) + Number(parsePacket(tcp6, at, 1440, record));
  });
}

function lookups(prefixes: number, bytes: 4 | 16, name: string, random: () => Uint8Array): void {
  const trie = new PrefixTrie();
  const addresses = Array.from({ length: prefixes }, random);
  for (const [i, address] of addresses.entries()) trie.insert(address, bytes * 8, i);
  trie.insert(new Uint8Array(bytes), 0, 0);
  const buffer = new PacketBuffer(bytes * 4096);
  for (let i = 0; i < 4096; i++) buffer.bytes.set(addresses[(i * 7919) % prefixes]!, i * bytes);
  const version = bytes === 4 ? 4 : 6;
  measure(`trie lookup, ${prefixes} ${name}`, 4096, () => {
    let sum = 0;
    for (let i = 0; i < 4096; i++) sum += trie.lookup(buffer, i * bytes, version);
    return sum;
  });
}

function randomBytes(prefix: readonly number[], length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => prefix[i] ?? Math.floor(Math.random() * 256));
}

checksums();
for (const version of [4, 6] as const) {
  splitAndJoin(version, 6, version === 4 ? 1368 : 1348, 44 * 1340);
  splitAndJoin(version, 17, version === 4 ? 1392 : 1372, 44 * 1340);
}
splitAndJoin(4, 6, 1361, 44 * 1340);
smallPackets();
for (const count of [100, 10_000]) {
  lookups(count, 4, "hosts in 10.86.0.0/16", () => randomBytes([10, 86], 4));
  lookups(count, 4, "hosts anywhere in IPv4", () => randomBytes([], 4));
  lookups(count, 16, "hosts in fd00:86::/64", () => randomBytes([0xfd, 0, 0, 0x86, 0, 0, 0, 0], 16));
}
