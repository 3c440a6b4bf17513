import { parseAddress } from "../../packet/address.ts";
import { type Cidr, cidrContains, cidrOf } from "../../packet/cidr.ts";

/** The names under which addresses are looked up: RFC 1035 §3.5 and RFC 3596 §2.5. One shape for both families. */
interface Tree {
  readonly suffix: string;
  readonly addressBytes: 4 | 16;
  readonly bitsPerLabel: 8 | 4;
  readonly radix: 10 | 16;
  readonly label: RegExp;
}

const TREES: readonly Tree[] = [
  {
    suffix: "in-addr.arpa",
    addressBytes: 4,
    bitsPerLabel: 8,
    radix: 10,
    label: /^(0|[1-9]\d?|1\d\d|2[0-4]\d|25[0-5])$/,
  },
  { suffix: "ip6.arpa", addressBytes: 16, bitsPerLabel: 4, radix: 16, label: /^[0-9a-f]$/ },
];

/** `2.0.86.10.in-addr.arpa`, or 32 nibbles and `ip6.arpa`. @throws MeshError `bad-address` */
export function reverseName(address: string): string {
  const bytes = parseAddress(address);
  const tree = TREES.find(({ addressBytes }) => addressBytes === bytes.length)!;
  return nameOf(bytes, bytes.length * 8, tree);
}

/**
 * The name of the zone in which `name`, in lower case, lies when the addresses of `ranges` are ours: the widest one that has
 * a name of its own and holds nothing else.
 * @returns undefined when nobody asks for an address of ours
 */
export function reverseApex(name: string, ranges: readonly Cidr[]): string | undefined {
  for (const tree of TREES) {
    if (!name.endsWith(`.${tree.suffix}`)) continue;
    const prefix = prefixOf(name.slice(0, -tree.suffix.length - 1).split("."), tree);
    const range = ranges.find((one) => one.address.length === tree.addressBytes && cidrContains(one, prefix));
    if (range === undefined) return undefined;
    const bits = Math.ceil(range.prefixBits / tree.bitsPerLabel) * tree.bitsPerLabel;
    return nameOf(prefix.address, bits, tree);
  }
  return undefined;
}

/** The zones that hold the addresses of `range` and nothing else, each with a name of its own: at most 128, mostly one. */
export function reverseZones(range: Cidr): string[] {
  const tree = TREES.find(({ addressBytes }) => addressBytes === range.address.length)!;
  const bits = Math.ceil(range.prefixBits / tree.bitsPerLabel) * tree.bitsPerLabel;
  return Array.from({ length: 2 ** (bits - range.prefixBits) }, (_, i) => {
    const address = Uint8Array.from(range.address);
    if (bits > 0) address[(bits >>> 3) - (bits & 7 ? 0 : 1)]! |= i << (bits & 7 ? 8 - (bits & 7) : 0);
    return nameOf(address, bits, tree);
  });
}

/** What the labels, read from the right, say of an address, as far as they do. */
function prefixOf(labels: readonly string[], { addressBytes, bitsPerLabel, radix, label }: Tree): Cidr {
  const address = new Uint8Array(addressBytes);
  let bits = 0;
  for (const text of labels.toReversed()) {
    if (bits === addressBytes * 8 || !label.test(text)) break;
    address[bits >>> 3]! |= Number.parseInt(text, radix) << (8 - bitsPerLabel - (bits & 7));
    bits += bitsPerLabel;
  }
  return cidrOf(address, bits);
}

function nameOf(address: Uint8Array, bits: number, { suffix, bitsPerLabel, radix }: Tree): string {
  const labels: string[] = [];
  for (let at = 0; at < bits; at += bitsPerLabel) {
    const byte = address[at >>> 3]!;
    const value = (byte >>> (8 - bitsPerLabel - (at & 7))) & (2 ** bitsPerLabel - 1);
    labels.unshift(value.toString(radix));
  }
  return [...labels, suffix].join(".");
}
