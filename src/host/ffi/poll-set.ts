import { POLLIN } from "./constants.ts";
import { EINTR, lastErrno, SyscallError } from "./errno.ts";
import * as libc from "./libc.ts";
import { NativeMemory } from "./native-memory.ts";

/** `struct pollfd { int fd; short events; short revents; }` */
const POLLFD_BYTES = 8;
const REVENTS_OFFSET = 6;

/** A fixed set of descriptors to wait for, all for reading. */
export class PollSet {
  readonly #count: number;
  readonly #memory: NativeMemory;

  constructor(fds: readonly number[]) {
    this.#count = fds.length;
    this.#memory = new NativeMemory(fds.length * POLLFD_BYTES);
    for (const [i, fd] of fds.entries()) {
      this.#memory.view.setInt32(i * POLLFD_BYTES, fd, true);
      this.#memory.view.setInt16(i * POLLFD_BYTES + 4, POLLIN, true);
    }
  }

  /** Blocks the thread until a descriptor is ready or the time is over; returns how many are. @throws SyscallError */
  wait(timeoutMs: number): number {
    const ready = libc.poll(this.#memory.address, this.#count, timeoutMs);
    if (ready >= 0) return ready;
    const errno = lastErrno();
    if (errno !== EINTR) throw new SyscallError("poll", errno);
    this.#clear();
    return 0;
  }

  /** Whether the descriptor of this position is readable, or has an error that a read will tell. */
  isReady(index: number): boolean {
    return this.#memory.view.getInt16(index * POLLFD_BYTES + REVENTS_OFFSET, true) !== 0;
  }

  /** Whether any from this position on is. */
  isAnyReadyFrom(first: number): boolean {
    for (let i = first; i < this.#count; i++) if (this.isReady(i)) return true;
    return false;
  }

  #clear(): void {
    for (let i = 0; i < this.#count; i++) this.#memory.view.setInt16(i * POLLFD_BYTES + REVENTS_OFFSET, 0, true);
  }
}
