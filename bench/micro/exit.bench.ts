/** What exits cost every packet from a peer: whether it is for this machine, or for where it offers to forward. */
import { parseCidr } from "../../src/packet/cidr.ts";
import { PacketBuffer } from "../../src/packet/packet-buffer.ts";
import { PacketRecord } from "../../src/packet/packet-record.ts";
import { LOCAL_RANGES } from "../../src/packet/special-ranges.ts";
import { Destinations } from "../../src/router/shared/destinations.ts";
import { measure } from "./measure.ts";

const BATCH = 4096;

/** @param sample the address in each of the packets */
function destinations(name: string, version: 4 | 6, sample: (i: number) => readonly number[]): void {
  const bytes = version === 4 ? 4 : 16;
  const buffer = new PacketBuffer(BATCH * bytes);
  for (let i = 0; i < BATCH; i++) buffer.bytes.set(sample(i), i * bytes);
  const accepted = new Destinations();
  accepted.use({
    own: [parseCidr("10.86.0.1").address, parseCidr("fd86::1").address],
    forwarded: ["0.0.0.0/0", "::/0"].map(parseCidr),
    spared: LOCAL_RANGES.map(parseCidr),
  });
  const record = new PacketRecord();
  record.version = version;
  measure(name, BATCH, () => {
    let count = 0;
    for (let i = 0; i < BATCH; i++) {
      record.destinationOffset = i * bytes;
      if (accepted.accepts(buffer, record)) count++;
    }
    return count;
  });
}

const own6 = [...parseCidr("fd86::1").address];
for (const version of [4, 6] as const) {
  destinations(`for this machine, IPv${version}`, version, () => (version === 4 ? [10, 86, 0, 1] : own6));
  destinations(`for the internet, IPv${version}`, version, (i) =>
    version === 4 ? [198, 51, i >> 8, i & 255] : [0x20, 1, 0xd, 0xb8, i >> 8, i & 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
  );
}
