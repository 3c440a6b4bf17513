import { createHash } from "node:crypto";
import { DATA_HEADER_BYTES, DATA_OVERHEAD_BYTES, TAG_BYTES } from "../constants.ts";
import { writeDataHeader } from "../data-header.ts";
import type { AeadProvider } from "./provider.ts";

/**
 * Seals with `provider` what noble seals the same way, opens that again, and checks that a message with any part changed is
 * refused. Throws an Error that says what differs. A provider that passes computes ChaCha20-Poly1305 on this machine.
 */
export function testAeadProvider(provider: AeadProvider): void {
  const key = Uint8Array.from({ length: 32 }, (_, i) => 0x80 + i);
  const sealer = provider.createSealer(key);
  const opener = provider.createOpener(key);
  try {
    for (const { strideBytes, count, lastBytes, sealedSha256 } of SHAPES) {
      const run = plainRun(strideBytes, count, lastBytes);
      const plain = run.slice();
      sealer.seal(run, OFFSET, strideBytes, count, lastBytes, FIRST_COUNTER);
      if (createHash("sha256").update(run).digest("hex") !== sealedSha256)
        throw new Error(`${provider.name} seals differently from the reference`);

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
  }
}

/**
 * A keepalive, odd lengths and block edges, a whole GSO run; and the SHA-256 of the run as noble seals it: asked here, noble
 * would take longer than all the rest of a start.
 */
const SHAPES = [
  {
    strideBytes: DATA_OVERHEAD_BYTES,
    count: 1,
    lastBytes: DATA_OVERHEAD_BYTES,
    sealedSha256: "09d4f0444d9b53a46e0feb325e0e65edaaa415adfda5bf738919d7f310986462",
  },
  {
    strideBytes: 97,
    count: 3,
    lastBytes: 33,
    sealedSha256: "a4f70c104146aa88ac1bf51c1e0a8e3ef6259d62fd86a8e9efc82e6057f97aa5",
  },
  {
    strideBytes: 1452,
    count: 44,
    lastBytes: 176,
    sealedSha256: "3225e2880f604b26992c33c8619a0f9b7de188b8bf01b1150339ff8b68f89994",
  },
] as const;
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
  return Buffer.compare(a, b) === 0;
}
