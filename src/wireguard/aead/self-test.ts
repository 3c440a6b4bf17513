import { DATA_HEADER_BYTES, DATA_OVERHEAD_BYTES, TAG_BYTES } from "../constants.ts";
import { writeDataHeader } from "../data-header.ts";
import { nobleProvider } from "./noble.ts";
import type { AeadProvider } from "./provider.ts";

/**
 * Seals and opens with `provider` what noble answers the same way, and checks that a message with any part changed is
 * refused. Throws an Error that says what differs. A provider that passes computes ChaCha20-Poly1305 on this machine.
 */
export function testAeadProvider(provider: AeadProvider): void {
  const key = Uint8Array.from({ length: 32 }, (_, i) => 0x80 + i);
  const sealer = provider.createSealer(key);
  const opener = provider.createOpener(key);
  const reference = nobleProvider.createSealer(key);
  try {
    for (const [strideBytes, count, lastBytes] of SHAPES) {
      const run = plainRun(strideBytes, count, lastBytes);
      const plain = run.slice();
      const expected = run.slice();
      sealer.seal(run, OFFSET, strideBytes, count, lastBytes, FIRST_COUNTER);
      reference.seal(expected, OFFSET, strideBytes, count, lastBytes, FIRST_COUNTER);
      if (!equal(run, expected)) throw new Error(`${provider.name} seals differently from the reference`);

      const totalBytes = (count - 1) * strideBytes + lastBytes;
      const verdicts = new Uint8Array(count);
      const opened = run.slice();
      if (
        opener.open(opened, OFFSET, totalBytes, strideBytes, verdicts) !== count ||
        !verdicts.every((verdict) => verdict === 1) ||
        !payloadsEqual(opened, plain, strideBytes, count, lastBytes)
      ) {
        throw new Error(`${provider.name} does not open what the reference seals`);
      }
      testTampering(opener, provider.name, run, strideBytes, count, totalBytes);
    }
  } finally {
    sealer.dispose();
    opener.dispose();
    reference.dispose();
  }
}

/** Stride, count, length of the last: a keepalive, odd lengths, block edges, a whole GSO run. */
const SHAPES: readonly (readonly [number, number, number])[] = [
  [DATA_OVERHEAD_BYTES, 1, DATA_OVERHEAD_BYTES],
  [97, 3, 33],
  [1452, 44, 176],
];
const OFFSET = 5;
const FIRST_COUNTER = 2 ** 40 + 7;

function plainRun(strideBytes: number, count: number, lastBytes: number): Uint8Array {
  const run = new Uint8Array(OFFSET + (count - 1) * strideBytes + lastBytes + OFFSET);
  for (let i = 0; i < run.length; i++) run[i] = (i * 31 + 7) & 0xff;
  for (let i = 0; i < count; i++) writeDataHeader(run, OFFSET + i * strideBytes, 0xfedcba98);
  return run;
}

/** Changes one byte of the last message's counter, payload (if any) and tag in turn: only that message may fall. */
function testTampering(
  opener: ReturnType<AeadProvider["createOpener"]>,
  name: string,
  sealed: Uint8Array,
  strideBytes: number,
  count: number,
  totalBytes: number,
): void {
  const last = OFFSET + (count - 1) * strideBytes;
  const end = OFFSET + totalBytes;
  for (const at of [last + DATA_HEADER_BYTES - 1, last + DATA_HEADER_BYTES, end - TAG_BYTES, end - 1]) {
    const forged = sealed.slice();
    forged[at] = (forged[at] as number) ^ 0x40;
    const verdicts = new Uint8Array(count);
    opener.open(forged, OFFSET, totalBytes, strideBytes, verdicts);
    if (verdicts[count - 1] !== 0) throw new Error(`${name} takes a forged message`);
    if (!verdicts.subarray(0, count - 1).every((verdict) => verdict === 1)) {
      throw new Error(`${name} refuses an authentic message beside a forged one`);
    }
  }
}

function payloadsEqual(a: Uint8Array, b: Uint8Array, strideBytes: number, count: number, lastBytes: number): boolean {
  for (let i = 0; i < count; i++) {
    const start = OFFSET + i * strideBytes;
    const end = start + (i === count - 1 ? lastBytes : strideBytes) - TAG_BYTES;
    if (!equal(a.subarray(start + DATA_HEADER_BYTES, end), b.subarray(start + DATA_HEADER_BYTES, end))) return false;
  }
  return true;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
