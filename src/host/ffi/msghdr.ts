import { NativeMemory } from "./native-memory.ts";

/**
 * `struct msghdr` with one `struct iovec`, as sendmsg(2) and recvmsg(2) take it on 64-bit Linux:
 *
 *     | name * | namelen u32 | pad | iov * | iovlen | control * | controllen | flags i32 | pad |
 *       0        8             12    16      24       32          40           48          52    56
 *     | iov.base * | iov.len |
 *       56           64        72
 */
const SIZE_BYTES = 72;
const IOV_OFFSET = 56;

export class MessageHeader {
  readonly #memory = new NativeMemory(SIZE_BYTES);
  readonly address = this.#memory.address;

  constructor() {
    this.#memory.setPointer(16, this.#memory, IOV_OFFSET);
    this.#memory.setWord(24, 1);
  }

  setName(address: number, sizeBytes: number): void {
    this.#memory.setWord(0, address);
    this.#memory.view.setUint32(8, sizeBytes, true);
  }

  get nameBytes(): number {
    return this.#memory.view.getUint32(8, true);
  }

  set nameBytes(sizeBytes: number) {
    this.#memory.view.setUint32(8, sizeBytes, true);
  }

  setData(address: number, sizeBytes: number): void {
    this.#memory.setWord(IOV_OFFSET, address);
    this.#memory.view.setUint32(IOV_OFFSET + 8, sizeBytes, true);
  }

  setControl(address: number, sizeBytes: number): void {
    this.#memory.setWord(32, address);
    this.#memory.view.setUint32(40, sizeBytes, true);
  }

  get controlBytes(): number {
    return this.#memory.view.getUint32(40, true);
  }

  set controlBytes(sizeBytes: number) {
    this.#memory.view.setUint32(40, sizeBytes, true);
  }

  /** `MSG_TRUNC` and the like, after recvmsg. */
  get flags(): number {
    return this.#memory.view.getUint32(48, true);
  }
}

/**
 * `struct cmsghdr` before each piece of ancillary data, padded to 8 bytes:
 *
 *     | len u64 (header included) | level i32 | type i32 | data … |
 *       0                           8           12         16
 */
export const CMSG_DATA = 16;

export function cmsgSpace(dataBytes: number): number {
  return CMSG_DATA + ((dataBytes + 7) & ~7);
}

export function writeCmsgHeader(view: DataView, offset: number, level: number, type: number, dataBytes: number): void {
  view.setUint32(offset, CMSG_DATA + dataBytes, true);
  view.setUint32(offset + 4, 0, true);
  view.setInt32(offset + 8, level, true);
  view.setInt32(offset + 12, type, true);
}
