import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nobleProvider } from "../../../src/wireguard/aead/noble.ts";
import { loadOpensslProvider } from "../../../src/wireguard/aead/openssl.ts";
import type { AeadProvider } from "../../../src/wireguard/aead/provider.ts";
import { selectAeadProvider } from "../../../src/wireguard/aead/select.ts";
import { testAeadProvider } from "../../../src/wireguard/aead/self-test.ts";
import { loadSodiumProvider } from "../../../src/wireguard/aead/sodium.ts";

const FAST_PROVIDERS = [loadOpensslProvider(), loadSodiumProvider()];
const PROVIDERS = [...FAST_PROVIDERS, nobleProvider];
const MAX_ARENA_BYTES = 65_536;

interface Run {
  readonly offset: number;
  readonly strideBytes: number;
  readonly count: number;
  readonly lastBytes: number;
  readonly firstCounter: number;
  readonly key: Uint8Array;
  readonly plain: Uint8Array;
}

/** Runs of every shape that fits 64 KiB, at odd offsets too. */
const runs: fc.Arbitrary<Run> = fc
  .record({
    offset: fc.nat(67),
    strideBytes: fc.oneof(fc.integer({ min: 32, max: 200 }), fc.integer({ min: 32, max: MAX_ARENA_BYTES - 100 })),
    lastShare: fc.double({ min: 0, max: 1, noNaN: true }),
    wantedCount: fc.integer({ min: 1, max: 64 }),
    firstCounter: fc.oneof(fc.nat(), fc.integer({ min: 0, max: 2 ** 53 - 100 })),
    key: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    seed: fc.nat(255),
  })
  .map(({ offset, strideBytes, lastShare, wantedCount, firstCounter, key, seed }) => {
    const lastBytes = 32 + Math.floor(lastShare * (strideBytes - 32));
    const fitting = Math.floor((MAX_ARENA_BYTES - offset - lastBytes) / strideBytes) + 1;
    const count = Math.max(1, Math.min(wantedCount, fitting));
    const plain = new Uint8Array(offset + (count - 1) * strideBytes + lastBytes + 3);
    for (let i = 0; i < plain.length; i++) plain[i] = (i * 131 + seed) & 0xff;
    return { offset, strideBytes, count, lastBytes, firstCounter, key, plain };
  });

function totalBytes({ strideBytes, count, lastBytes }: Run): number {
  return (count - 1) * strideBytes + lastBytes;
}

function sealed(provider: AeadProvider, run: Run): Uint8Array {
  const arena = run.plain.slice();
  const sealer = provider.createSealer(run.key);
  sealer.seal(arena, run.offset, run.strideBytes, run.count, run.lastBytes, run.firstCounter);
  sealer.dispose();
  return arena;
}

function open(provider: AeadProvider, run: Run, arena: Uint8Array): { arena: Uint8Array; verdicts: Uint8Array } {
  const opened = arena.slice();
  const verdicts = new Uint8Array(run.count).fill(9);
  const opener = provider.createOpener(run.key);
  const count = opener.open(opened, run.offset, totalBytes(run), run.strideBytes, verdicts);
  opener.dispose();
  expect(count).toBe(run.count);
  return { arena: opened, verdicts };
}

describe.each(FAST_PROVIDERS)("$name", (provider) => {
  it("seals every run as noble does, and touches nothing around it", () => {
    fc.assert(
      fc.property(runs, (run) => {
        expect(Buffer.compare(sealed(provider, run), sealed(nobleProvider, run))).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it("opens what noble sealed, to the same bytes", () => {
    fc.assert(
      fc.property(runs, (run) => {
        const { arena, verdicts } = open(provider, run, sealed(nobleProvider, run));
        expect([...verdicts]).toEqual(new Array(run.count).fill(1));
        for (let i = 0; i < run.count; i++) {
          const start = run.offset + i * run.strideBytes;
          const end = start + (i === run.count - 1 ? run.lastBytes : run.strideBytes) - 16;
          const payload = arena.subarray(start + 16, end);
          expect(Buffer.compare(payload, run.plain.subarray(start + 16, end))).toBe(0);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe.each(PROVIDERS)("$name", (provider) => {
  it("refuses exactly the messages that were changed", () => {
    const shape = { offset: 1, strideBytes: 80, count: 8, lastBytes: 48, firstCounter: 2 ** 32 - 3 };
    const run = { ...shape, key: new Uint8Array(32).fill(3), plain: new Uint8Array(700) };
    const message = fc.nat(run.count - 1);
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(message, fc.nat(39), fc.nat(7)), { selector: ([i]) => i }), (changes) => {
        const arena = sealed(provider, run);
        // From the counter on: type and receiver index are not authenticated.
        for (const [i, byte, bit] of changes) {
          const at = run.offset + i * run.strideBytes + 8 + byte;
          arena[at] = (arena[at] as number) ^ (1 << bit);
        }
        const { verdicts } = open(provider, run, arena);
        const expected = new Array(run.count).fill(1);
        for (const [i] of changes) expected[i] = 0;
        expect([...verdicts]).toEqual(expected);
      }),
      { numRuns: 40 },
    );
  });

  it("counts a rest that is too short for a message as forged", () => {
    const opener = provider.createOpener(new Uint8Array(32));
    const verdicts = new Uint8Array(2).fill(9);
    expect(opener.open(new Uint8Array(100), 0, 60 + 31, 60, verdicts)).toBe(2);
    expect([...verdicts]).toEqual([0, 0]);
    expect(opener.open(new Uint8Array(100), 0, 0, 60, verdicts)).toBe(0);
    opener.dispose();
  });

  it("throws RangeError for a run outside its arena and does nothing to it", () => {
    const sealer = provider.createSealer(new Uint8Array(32));
    const opener = provider.createOpener(new Uint8Array(32));
    const arena = new Uint8Array(200);
    const verdicts = new Uint8Array(2);
    expect(() => sealer.seal(arena, 0, 100, 2, 101, 0)).toThrow(RangeError);
    expect(() => sealer.seal(arena, 1, 100, 2, 100, 0)).toThrow(RangeError);
    expect(() => sealer.seal(arena, 0, 100, 1, 31, 0)).toThrow(RangeError);
    expect(() => sealer.seal(arena, 201, 100, 1, 32, 0)).toThrow(RangeError);
    expect(() => opener.open(arena, 1, 200, 100, verdicts)).toThrow(RangeError);
    expect(() => opener.open(arena, 0, 200, 50, verdicts)).toThrow(RangeError);
    expect(() => opener.open(arena, 0, 200, 0, verdicts)).toThrow(RangeError);
    expect(arena.every((byte) => byte === 0)).toBe(true);
    sealer.dispose();
    opener.dispose();
  });

  it("works on shared memory, keys and arena, and disposes twice without harm", () => {
    const key = new Uint8Array(new SharedArrayBuffer(32));
    key.set(randomBytes(32));
    const shared = new Uint8Array(new SharedArrayBuffer(4096));
    const run = { offset: 0, strideBytes: 64, count: 3, lastBytes: 64, firstCounter: 0, key, plain: shared };
    const sealer = provider.createSealer(key);
    sealer.seal(shared, 0, 64, 3, 64, 0);
    expect([...open(nobleProvider, run, shared).verdicts]).toEqual([1, 1, 1]);
    sealer.dispose();
    sealer.dispose();
  });

  it("passes the self-test", () => {
    testAeadProvider(provider);
  });
});

describe("the self-test", () => {
  const broken = (change: (sealer: ReturnType<AeadProvider["createSealer"]>) => void): AeadProvider => ({
    ...nobleProvider,
    createSealer(key) {
      const sealer = nobleProvider.createSealer(key);
      change(sealer);
      return sealer;
    },
  });

  it("finds a sealer that does nothing", () => {
    expect(() => testAeadProvider(broken((sealer) => Object.assign(sealer, { seal() {} })))).toThrow(
      /seals differently/,
    );
  });

  it("finds an opener that takes everything, and one that takes nothing", () => {
    const opener = (verdict: number): AeadProvider => ({
      ...nobleProvider,
      createOpener(key) {
        const inner = nobleProvider.createOpener(key);
        return {
          open(arena, offset, total, stride, verdicts) {
            const count = inner.open(arena, offset, total, stride, verdicts);
            verdicts.fill(verdict, 0, count);
            return count;
          },
          dispose: () => inner.dispose(),
        };
      },
    });
    expect(() => testAeadProvider(opener(1))).toThrow(/takes a forged message/);
    expect(() => testAeadProvider(opener(0))).toThrow(/does not open/);
  });
});

describe("the choice of the provider", () => {
  it("is the fastest that works", () => {
    expect(selectAeadProvider()).toMatchObject({ provider: { name: "openssl" }, passedOver: [] });
  });

  it("can be forced", () => {
    for (const name of ["openssl", "sodium", "noble"] as const) {
      expect(selectAeadProvider(name).provider.name).toBe(name);
    }
  });

  it.runIf(process.platform === "linux" && process.arch === "x64")("the library in the package works here", () => {
    const path = new URL("../../../native/prebuilt/linux-x64/aead-batch.so", import.meta.url).pathname;
    testAeadProvider(loadOpensslProvider(path));
  });

  it("a library that is none is an error, not a crash", () => {
    expect(() => loadOpensslProvider(new URL(import.meta.url).pathname)).toThrow();
    expect(() => loadOpensslProvider("/nonexistent/aead-batch.so")).toThrow();
  });
});
