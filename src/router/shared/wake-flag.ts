import { EFD_CLOEXEC, EFD_NONBLOCK } from "../../host/ffi/constants.ts";
import { checked } from "../../host/ffi/errno.ts";
import * as libc from "../../host/ffi/libc.ts";
import { NativeMemory } from "../../host/ffi/native-memory.ts";

/** As it goes to the other thread. */
export interface SharedWakeFlag {
  readonly fd: number;
  readonly state: SharedArrayBuffer;
}

/** Words of the shared state. */
const STOPPING = 0;
const ANSWERS = 1;

/**
 * Wakes a thread that sleeps in poll(2), and tells it to stop. The eventfd only wakes; the stop is a word in shared
 * memory, which cannot be missed.
 */
export class WakeFlag {
  readonly fd: number;
  readonly #state: Int32Array;
  readonly #shared: SharedArrayBuffer;
  readonly #word = new NativeMemory(8);
  #isClosed = false;

  constructor(shared: SharedWakeFlag) {
    this.fd = shared.fd;
    this.#shared = shared.state;
    this.#state = new Int32Array(shared.state);
    this.#word.setWord(0, 1);
  }

  static open(): WakeFlag {
    const fd = checked("eventfd", libc.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    return new WakeFlag({ fd, state: new SharedArrayBuffer(8) });
  }

  get shared(): SharedWakeFlag {
    return { fd: this.fd, state: this.#shared };
  }

  get isStopping(): boolean {
    return Atomics.load(this.#state, STOPPING) !== 0;
  }

  /** How often the sleeper has taken the signal. */
  get answers(): number {
    return Atomics.load(this.#state, ANSWERS);
  }

  wake(): void {
    if (!this.#isClosed) libc.write(this.fd, this.#word.address, 8);
  }

  stop(): void {
    Atomics.store(this.#state, STOPPING, 1);
    this.wake();
  }

  /** For the sleeper: takes the signal, before it looks for what it was woken for. */
  clear(): void {
    libc.read(this.fd, this.#word.address, 8);
    Atomics.add(this.#state, ANSWERS, 1);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    libc.close(this.fd);
  }
}
