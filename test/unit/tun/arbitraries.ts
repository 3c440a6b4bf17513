import fc from "fast-check";
import { ACK, bytesOf, CWR, ECE, FIN, type PacketSpec, PSH, URG } from "../packet/wire.ts";

const tcpFlags = fc.subarray([PSH, FIN, URG, ECE, CWR]).map((flags) => flags.reduce((all, flag) => all | flag, ACK));

/** Headers of every joinable and unjoinable kind, without payload. */
export const packetSpec: fc.Arbitrary<PacketSpec> = fc.record({
  version: fc.constantFrom(4 as const, 6 as const),
  protocol: fc.constantFrom(6 as const, 17 as const),
  sourcePort: fc.nat(65_535),
  destinationPort: fc.nat(65_535),
  sequence: fc.nat(0xffff_ffff),
  acknowledgement: fc.nat(0xffff_ffff),
  tcpFlags,
  window: fc.nat(65_535),
  urgentPointer: fc.nat(5000),
  tcpOptions: fc.nat(10).map((words) => bytesOf(words * 4, words)),
  ipOptionsBytes: fc.constantFrom(0, 0, 4, 40),
  trafficClass: fc.nat(255),
  hopLimit: fc.nat(255),
  flowLabel: fc.nat(0xfffff),
  identification: fc.nat(65_535),
  dontFragment: fc.boolean(),
});
