import type { Socket } from "node:net";
import { AF_NETLINK, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_RAW } from "../ffi/constants.ts";
import { readDescriptor } from "../ffi/descriptor-stream.ts";
import { checked } from "../ffi/errno.ts";
import * as libc from "../ffi/libc.ts";
import { NativeMemory } from "../ffi/native-memory.ts";

/** `struct sockaddr_nl { u16 family; u16 pad; u32 port; u32 groups; }` */
const SOCKADDR_NL_BYTES = 12;

export interface NetlinkSource {
  /** `NETLINK_…` of linux/netlink.h. */
  readonly protocol: number;
  /** Of multicast, a bit each. */
  readonly groups: number;
}

export interface NetlinkHandlers {
  /** One datagram from the kernel. */
  readonly onDatagram: (datagram: Buffer) => void;
  /** The kernel had more to say than there was room for. */
  readonly onOverflow: () => void;
  /** Nothing will come any more. */
  readonly onFailure: (failure: Error) => void;
}

/** What the kernel announces of its own accord, from the moment of opening. */
export class NetlinkSocket implements Disposable {
  readonly #source: NetlinkSource;
  readonly #handlers: NetlinkHandlers;
  #stream: Socket;
  #isClosed = false;

  /** @throws SyscallError where a host has no netlink for us */
  static open(source: NetlinkSource, handlers: NetlinkHandlers): NetlinkSocket {
    return new NetlinkSocket(source, handlers);
  }

  private constructor(source: NetlinkSource, handlers: NetlinkHandlers) {
    this.#source = source;
    this.#handlers = handlers;
    this.#stream = this.#subscribe();
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#stream.destroy();
  }

  #subscribe(): Socket {
    const stream = readDescriptor(openSubscribed(this.#source));
    stream.on("data", this.#handlers.onDatagram);
    stream.on("error", (failure: NodeJS.ErrnoException) => this.#failed(failure));
    return stream;
  }

  /** Any error ends the stream; ENOBUFS only says that messages were lost. */
  #failed(failure: NodeJS.ErrnoException): void {
    if (this.#isClosed) return;
    if (failure.code !== "ENOBUFS") {
      this.#handlers.onFailure(failure);
      return;
    }
    try {
      this.#stream = this.#subscribe();
      this.#handlers.onOverflow();
    } catch (thrown) {
      this.#handlers.onFailure(thrown as Error);
    }
  }
}

function openSubscribed({ protocol, groups }: NetlinkSource): number {
  const type = SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = checked("socket", libc.socket(AF_NETLINK, type, protocol));
  const address = new NativeMemory(SOCKADDR_NL_BYTES);
  address.view.setUint16(0, AF_NETLINK, true);
  address.view.setUint32(8, groups, true);
  try {
    checked("bind", libc.bindSocket(fd, address.address, SOCKADDR_NL_BYTES));
  } catch (failure) {
    libc.close(fd);
    throw failure;
  }
  return fd;
}
