/**
 * A piece of memory together with the views that the packet path reads and writes it through, made once: a `subarray` or
 * a `DataView` per packet costs more than many packets do. Offsets everywhere are in bytes from the start of this memory.
 */
export class PacketBuffer {
  /** One byte at a time, and `copy()` within native code. Always a `Buffer`, so that call sites see one shape. */
  readonly bytes: Buffer;
  /** Multi-byte fields in network or little-endian order, at any alignment. */
  readonly view: DataView;
  /** Aligned 32-bit words in the order of the machine (little-endian), for bulk sums and copies. */
  readonly words: Uint32Array;
  readonly sizeBytes: number;

  /**
   * Allocates `source` bytes, or looks at memory that exists (shared memory included).
   * @throws RangeError when the size is no multiple of 4 bytes: `words` could not reach the end.
   */
  constructor(source: number | ArrayBuffer | SharedArrayBuffer) {
    const memory = typeof source === "number" ? new ArrayBuffer(source) : source;
    if (memory.byteLength % 4 !== 0) throw new RangeError("the size of a packet buffer is a multiple of 4 bytes");
    this.bytes = Buffer.from(memory);
    this.view = new DataView(memory);
    this.words = new Uint32Array(memory);
    this.sizeBytes = memory.byteLength;
  }
}
