/**
 * Micro-benchmarks of the packet filter: nanoseconds per packet, with 1,000 rules and 50,000 connections. A plain script:
 *
 *     npx tsc -p bench/micro && node dist/bench/bench/micro/filter.bench.js
 */
import { compileFilter } from "../../src/filter/compile.ts";
import { ConnectionTable, MAX_CONNECTIONS } from "../../src/filter/connection-table.ts";
import { FilterCells } from "../../src/filter/filter-cells.ts";
import { Flow } from "../../src/filter/flow.ts";
import { PacketFilter } from "../../src/filter/packet-filter.ts";
import { type FilterPolicy, OPEN_POLICY, type ResolvedRule } from "../../src/filter/policy.ts";
import { RuleBook } from "../../src/filter/rule-book.ts";
import { cidrOf } from "../../src/packet/cidr.ts";
import { PacketBuffer } from "../../src/packet/packet-buffer.ts";
import { PacketRecord } from "../../src/packet/packet-record.ts";
import { parsePacket } from "../../src/packet/parse.ts";
import { measure } from "./measure.ts";

const RULES = 1000;
const PEERS = 256;
const CONNECTIONS = 50_000;
const BATCH = 1000;
const PACKET_BYTES = { 4: 40, 6: 60 } as const;
const SYN = 0x02;
const ACK = 0x10;

/** Half of them deny; every kind of selector is there, and none fits every connection. */
function manyRules(): FilterPolicy {
  const rules = Array.from({ length: RULES }, (_, i): ResolvedRule => {
    const source = i % 3 === 0 ? cidrOf(Uint8Array.of(10, i % 200, i >> 2, 0), 24) : undefined;
    return {
      action: i % 2 === 0 ? "deny" : "allow",
      direction: "in",
      protocol: i % 5 === 0 ? "any" : "tcp,udp",
      ports: i % 5 === 0 ? null : [{ first: 1000 + i, last: 1000 + i + (i % 7) }],
      peers: i % 3 === 1 ? [i % PEERS] : i % 5 === 0 ? [(i + 1) % PEERS] : null,
      sources: source === undefined ? null : [source],
      destinations: i % 11 === 0 ? [cidrOf(Uint8Array.of(10, 0, 0, 1), 32)] : null,
      slot: i,
    };
  });
  return { ...OPEN_POLICY, rules };
}

/** TCP packets of `BATCH` connections from a peer, laid side by side. */
class Packets {
  readonly buffer: PacketBuffer;
  readonly records: readonly PacketRecord[];
  readonly #version: 4 | 6;

  constructor(version: 4 | 6) {
    const bytes = PACKET_BYTES[version];
    this.#version = version;
    this.buffer = new PacketBuffer(BATCH * bytes);
    this.records = Array.from({ length: BATCH }, (_, i) => {
      this.#write(i * bytes);
      const record = new PacketRecord();
      parsePacket(this.buffer, i * bytes, bytes, record);
      return record;
    });
  }

  /** Makes packet `i` the one of connection `number`. */
  set(i: number, number: number, tcpFlags: number): PacketRecord {
    const record = this.records[i]!;
    const { view } = this.buffer;
    view.setUint32(record.sourceOffset + record.addressBytes - 4, 0x0a000000 | (number % 60_000));
    record.sourcePort = 1024 + (number % 60_000);
    record.destinationPort = 3000;
    record.tcpFlags = tcpFlags;
    return record;
  }

  #write(at: number): void {
    const { view } = this.buffer;
    if (this.#version === 4) {
      view.setUint32(at, 0x4500_0028);
      view.setUint16(at + 8, 0x4006);
      view.setUint32(at + 16, 0x0a000001);
    } else {
      view.setUint32(at, 0x6000_0000);
      view.setUint32(at + 4, 0x0014_0640);
      view.setUint32(at + 8, 0xfd00_0000);
      view.setUint32(at + 24, 0xfd00_0000);
    }
    view.setUint8(at + PACKET_BYTES[this.#version] - 8, 0x50);
  }
}

function decisions(version: 4 | 6): void {
  const packets = new Packets(version);
  for (let i = 0; i < BATCH; i++) packets.set(i, 7919 * i, SYN).destinationPort = 900 + i;
  const flow = new Flow(1);
  const book = new RuleBook(compileFilter(manyRules()), new FilterCells());
  measure(`${RULES} rules decide on a new connection, IPv${version}`, BATCH, () => {
    let verdicts = 0;
    for (let i = 0; i < BATCH; i++) {
      flow.take(packets.buffer, packets.records[i]!, i % PEERS, false);
      verdicts += book.judge(flow, packets.buffer, false);
    }
    return verdicts;
  });
}

function connections(version: 4 | 6): void {
  const filter = new PacketFilter({ cells: new FilterCells(), seed: 1 });
  const packets = new Packets(version);
  const pass = (first: number, step: number, tcpFlags: number) => {
    let verdicts = 0;
    for (let i = 0; i < BATCH; i++) {
      const record = packets.set(i, (first + i * step) % CONNECTIONS, tcpFlags);
      verdicts += filter.inbound(packets.buffer, record, PEERS, false, 0);
    }
    return verdicts;
  };
  measure(`open: a packet of TCP, IPv${version}`, BATCH, () => pass(0, 1, ACK));
  filter.use(compileFilter(manyRules()), 0);
  let refused = 0;
  for (let first = 0; first < CONNECTIONS; first += BATCH) refused += pass(first, 1, SYN);
  for (let first = 0; first < CONNECTIONS; first += BATCH) refused += pass(first, 1, ACK);
  if (refused > 0) throw new Error("the rules refuse what they are to let in");
  measure(`one of ${CONNECTIONS} connections, IPv${version}, the same one again`, BATCH, () => pass(4711, 0, ACK));
  let next = 0;
  measure(`one of ${CONNECTIONS} connections, IPv${version}, another each time`, BATCH, () => {
    next = (next + 7919) % CONNECTIONS;
    return pass(next, 12_347, ACK);
  });
}

for (const version of [4, 6] as const) decisions(version);
for (const version of [4, 6] as const) connections(version);
const { memoryBytes } = new ConnectionTable();
console.log(`the table of ${MAX_CONNECTIONS} connections takes ${memoryBytes / 2 ** 20} MiB at most`);
const compiledAt = performance.now();
compileFilter(manyRules());
console.log(`${RULES} rules are compiled in ${(performance.now() - compiledAt).toFixed(1)} ms`);
