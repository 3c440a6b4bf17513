import koffi from "koffi";

/**
 * Memory at an address that stays the same, for structures that point to one another and for buffers handed to system
 * calls by number. The backing store of an explicit `ArrayBuffer` (or a shared one) lies outside of V8's heap and never
 * moves; that of a small `new Uint8Array(n)` lies inside and does.
 *
 * An address is a number: user space ends below 2^48 on Linux, so a double holds it exactly. Whoever keeps an address
 * must keep the `NativeMemory` too: the collector knows nothing of the number.
 */
export class NativeMemory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly address: number;

  constructor(source: number | ArrayBuffer | SharedArrayBuffer) {
    const buffer = typeof source === "number" ? new ArrayBuffer(source) : source;
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.address = Number(koffi.address(this.bytes));
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  /** Writes the address of `target` (plus `targetOffset`) as a pointer at `offset`. */
  setPointer(offset: number, target: NativeMemory, targetOffset = 0): void {
    this.setWord(offset, target.address + targetOffset);
  }

  /** Writes `value` as an unsigned 64-bit word at `offset` without making a BigInt. */
  setWord(offset: number, value: number): void {
    this.view.setUint32(offset, value % 0x1_0000_0000, true);
    this.view.setUint32(offset + 4, Math.floor(value / 0x1_0000_0000), true);
  }
}
