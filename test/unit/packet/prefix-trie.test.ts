import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseAddress } from "../../../src/packet/address.ts";
import { cidrContainsAddress, cidrOf, compareCidrs, formatCidr, parseCidr } from "../../../src/packet/cidr.ts";
import { PacketBuffer } from "../../../src/packet/packet-buffer.ts";
import { PrefixTrie } from "../../../src/packet/prefix-trie.ts";

const buffer = new PacketBuffer(32);

function lookup(trie: PrefixTrie, address: Uint8Array, offset = 5): number {
  buffer.bytes.set(address, offset);
  return trie.lookup(buffer, offset, address.length === 4 ? 4 : 6);
}

function insert(trie: PrefixTrie, cidr: string, value: number): number {
  const { address, prefixBits } = parseCidr(cidr);
  return trie.insert(address, prefixBits, value);
}

/** The obvious table: a list, searched from end to end. */
class ListTable {
  readonly entries = new Map<string, { address: Uint8Array; prefixBits: number; value: number }>();

  insert(address: Uint8Array, prefixBits: number, value: number): number {
    const cidr = cidrOf(address, prefixBits);
    const before = this.entries.get(formatCidr(cidr))?.value ?? -1;
    this.entries.set(formatCidr(cidr), { ...cidr, value });
    return before;
  }

  remove(address: Uint8Array, prefixBits: number): number {
    const key = formatCidr(cidrOf(address, prefixBits));
    const before = this.entries.get(key)?.value ?? -1;
    this.entries.delete(key);
    return before;
  }

  lookup(address: Uint8Array): number {
    let best = { prefixBits: -1, value: -1 };
    for (const entry of this.entries.values()) {
      if (entry.prefixBits > best.prefixBits && cidrContainsAddress(entry, address)) best = entry;
    }
    return best.value;
  }
}

/** Few distinct bytes, so that prefixes and addresses have much in common. */
const byte = fc.constantFrom(0, 1, 0x10, 0x11, 0x80, 0xff);
const address = fc.constantFrom(4, 16).chain((length) => fc.array(byte, { minLength: length, maxLength: length }));
const prefix = address.chain((bytes) =>
  fc.record({ address: fc.constant(Uint8Array.from(bytes)), prefixBits: fc.nat(bytes.length * 8) }),
);
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("insert" as const), prefix, value: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("remove-known" as const), index: fc.nat(40) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("remove" as const), prefix }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("remove-value" as const), value: fc.nat(5) }) },
);

describe("prefix trie", () => {
  it("finds nothing while empty", () => {
    const trie = new PrefixTrie();
    expect(lookup(trie, parseAddress("10.0.0.1"))).toBe(-1);
    expect(lookup(trie, parseAddress("fd00::1"))).toBe(-1);
  });

  it("prefers the longest prefix and keeps the families apart", () => {
    const trie = new PrefixTrie();
    insert(trie, "0.0.0.0/0", 0);
    insert(trie, "10.86.0.0/16", 1);
    insert(trie, "10.86.0.7/32", 2);
    insert(trie, "10.86.0.4/30", 3);
    insert(trie, "fd00::/8", 4);
    insert(trie, "fd00:86::7/128", 5);
    expect(lookup(trie, parseAddress("8.8.8.8"))).toBe(0);
    expect(lookup(trie, parseAddress("10.86.1.1"))).toBe(1);
    expect(lookup(trie, parseAddress("10.86.0.7"))).toBe(2);
    expect(lookup(trie, parseAddress("10.86.0.5"))).toBe(3);
    expect(lookup(trie, parseAddress("fd12::1"))).toBe(4);
    expect(lookup(trie, parseAddress("fd00:86::7"))).toBe(5);
    expect(lookup(trie, parseAddress("2001:db8::1"))).toBe(-1);
    expect(trie.size).toBe(6);
  });

  it("lets the latest peer have a prefix, and gives it back to the wider one on removal", () => {
    const trie = new PrefixTrie();
    insert(trie, "10.0.0.0/8", 1);
    expect(insert(trie, "10.1.0.0/16", 2)).toBe(-1);
    expect(insert(trie, "10.1.0.0/16", 3)).toBe(2);
    expect(lookup(trie, parseAddress("10.1.2.3"))).toBe(3);
    expect(trie.size).toBe(2);
    expect(trie.remove(parseAddress("10.1.0.0"), 16)).toBe(3);
    expect(trie.remove(parseAddress("10.1.0.0"), 16)).toBe(-1);
    expect(lookup(trie, parseAddress("10.1.2.3"))).toBe(1);
  });

  it("ignores host bits", () => {
    const trie = new PrefixTrie();
    trie.insert(parseAddress("10.1.2.3"), 10, 7);
    expect(trie.get(parseAddress("10.0.0.0"), 10)).toBe(7);
    expect([...trie.prefixes()].map(({ cidr }) => formatCidr(cidr))).toEqual(["10.0.0.0/10"]);
  });

  it("does as the list does, whatever the order of insertions and removals", () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.array(address, { minLength: 5, maxLength: 30 }),
        (steps, probes) => {
          const trie = new PrefixTrie();
          const list = new ListTable();
          for (const step of steps) {
            if (step.kind === "insert") {
              const { address, prefixBits } = step.prefix;
              expect(trie.insert(address, prefixBits, step.value)).toBe(list.insert(address, prefixBits, step.value));
            } else if (step.kind === "remove-value") {
              const doomed = [...list.entries.values()].filter((entry) => entry.value === step.value);
              for (const entry of doomed) list.remove(entry.address, entry.prefixBits);
              expect(trie.removeValue(step.value)).toBe(doomed.length);
            } else {
              const known = step.kind === "remove" ? step.prefix : [...list.entries.values()][step.index];
              if (known === undefined) continue;
              expect(trie.remove(known.address, known.prefixBits)).toBe(list.remove(known.address, known.prefixBits));
            }
          }
          expect(trie.size).toBe(list.entries.size);
          for (const probe of probes)
            expect(lookup(trie, Uint8Array.from(probe))).toBe(list.lookup(Uint8Array.from(probe)));
          for (const entry of list.entries.values())
            expect(lookup(trie, entry.address)).toBe(list.lookup(entry.address));
          const listed = [...trie.prefixes()].sort((a, b) => compareCidrs(a.cidr, b.cidr));
          const expected = [...list.entries.values()].sort(compareCidrs);
          expect(listed.map(({ cidr, value }) => `${formatCidr(cidr)} ${value}`)).toEqual(
            expected.map((entry) => `${formatCidr(entry)} ${entry.value}`),
          );
        },
      ),
      { numRuns: 400 },
    );
  });

  it("uses the memory of removed prefixes again", () => {
    const trie = new PrefixTrie();
    for (let round = 0; round < 50; round++) {
      for (let i = 0; i < 200; i++) trie.insert(Uint8Array.of(10, round, i, i ^ round), 32, i);
      for (let i = 0; i < 200; i++) expect(trie.remove(Uint8Array.of(10, round, i, i ^ round), 32)).toBe(i);
    }
    expect(trie.size).toBe(0);
    expect(trie.nodeCount).toBe(2);
  });
});
