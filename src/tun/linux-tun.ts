import { BufferAddresses } from "../host/ffi/buffer-address.ts";
import { EAGAIN, EINTR, lastErrno, SyscallError } from "../host/ffi/errno.ts";
import * as libc from "../host/ffi/libc.ts";
import { NativeMemory } from "../host/ffi/native-memory.ts";
import type { PacketBuffer } from "../packet/packet-buffer.ts";
import type { OpenTun } from "./open-tun.ts";
import { MAX_FRAME_BYTES, type TunDevice, type TunOffloads } from "./tun-device.ts";
import { clearVirtioHeader, VIRTIO_HEADER_BYTES } from "./virtio-header.ts";

/** writev(2) takes no more (`UIO_MAXIOV`). */
const MAX_PIECES = 1024;
/** `struct iovec { void *base; size_t length; }` as 32-bit words. */
const IOVEC_WORDS = 4;
const IOVEC_BYTES = 16;

/** A TUN interface of Linux, opened by `openTun`. On a kernel without virtio headers it adds and removes empty ones. */
export class LinuxTun implements TunDevice {
  readonly name: string;
  readonly mtuBytes: number;
  readonly offloads: TunOffloads;
  readonly fd: number;
  /** Frames that the kernel refused: while the interface is down, mostly. */
  refusedWrites = 0;
  readonly #hasVirtioHeader: boolean;
  readonly #addresses = new BufferAddresses();
  readonly #vectors = new NativeMemory(MAX_PIECES * IOVEC_BYTES);
  readonly #vectorWords = new Uint32Array(this.#vectors.bytes.buffer);
  #isClosed = false;

  constructor(opened: OpenTun, mtuBytes: number) {
    this.name = opened.name;
    this.mtuBytes = mtuBytes;
    this.offloads = opened.offloads;
    this.fd = opened.fd;
    this.#hasVirtioHeader = opened.hasVirtioHeader;
  }

  /** @throws SyscallError when the interface is gone */
  readFrame(buffer: PacketBuffer, offset: number): number {
    const skipped = this.#hasVirtioHeader ? 0 : VIRTIO_HEADER_BYTES;
    const address = this.#addresses.of(buffer) + offset + skipped;
    for (;;) {
      const bytes = libc.read(this.fd, address, MAX_FRAME_BYTES - skipped);
      if (bytes >= 0) {
        if (skipped !== 0 && bytes > 0) clearVirtioHeader(buffer, offset);
        return bytes === 0 ? 0 : bytes + skipped;
      }
      const errno = lastErrno();
      if (errno === EAGAIN) return 0;
      if (errno !== EINTR) throw new SyscallError("read", errno);
    }
  }

  writeFrame(buffer: PacketBuffer, pieces: Int32Array, pieceCount: number): boolean {
    const base = this.#addresses.of(buffer);
    const skipped = this.#hasVirtioHeader ? 0 : VIRTIO_HEADER_BYTES;
    const firstAddress = base + pieces[0]! + skipped;
    const firstBytes = pieces[1]! - skipped;
    if (pieceCount === 1) {
      if (libc.write(this.fd, firstAddress, firstBytes) >= 0) return true;
    } else if (pieceCount <= MAX_PIECES) {
      this.#setVector(0, firstAddress, firstBytes);
      for (let i = 1; i < pieceCount; i++) this.#setVector(i, base + pieces[2 * i]!, pieces[2 * i + 1]!);
      if (libc.writev(this.fd, this.#vectors.address, pieceCount) >= 0) return true;
    }
    this.refusedWrites++;
    return false;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    libc.close(this.fd);
  }

  /** A store to a `Uint32Array` keeps the lower 32 bits of a number and drops its fraction: both halves of an address. */
  #setVector(index: number, address: number, sizeBytes: number): void {
    const at = index * IOVEC_WORDS;
    this.#vectorWords[at] = address;
    this.#vectorWords[at + 1] = address / 0x1_0000_0000;
    this.#vectorWords[at + 2] = sizeBytes;
  }
}
