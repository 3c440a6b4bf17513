import koffi from "koffi";
import { IFNAMSIZ } from "./constants.ts";
import { NativeMemory } from "./native-memory.ts";

const library = koffi.load(null);
const nameToIndex: (name: string) => number = library.func("unsigned int if_nametoindex(const char *name)");
const indexToName: (index: number, address: number) => bigint | number | null = library.func(
  "uintptr_t if_indextoname(unsigned int index, uintptr_t name)",
);

/** The index of a network interface given by name or by number (the zone of a link-local address); 0 when none is. */
export function interfaceIndex(nameOrNumber: string): number {
  return /^\d+$/.test(nameOrNumber) ? Number(nameOrNumber) : nameToIndex(nameOrNumber);
}

/** The name of the interface with this index, or the number as text when there is none. */
export function interfaceName(index: number): string {
  const name = new NativeMemory(IFNAMSIZ);
  if (Number(indexToName(index, name.address)) === 0) return String(index);
  const end = name.bytes.indexOf(0);
  return Buffer.from(name.bytes.subarray(0, end < 0 ? IFNAMSIZ : end)).toString();
}
