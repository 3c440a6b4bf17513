import { Socket } from "node:net";
import { AF_UNIX, O_CLOEXEC, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } from "./constants.ts";
import { checked } from "./errno.ts";
import * as libc from "./libc.ts";
import { NativeMemory } from "./native-memory.ts";

/**
 * A stream of what can be read from `fd`, which it takes over: any descriptor that poll(2) takes and that does not block.
 * For a socket of datagrams each `data` is one of them. Reading begins with the first listener of `data`; an error of
 * read(2) comes as `error` and ends the stream.
 *
 * Node waits for descriptors of the kinds that it knows and refuses the others (netlink among them), but looks at the
 * kind only once. So it is given a Unix socket, in whose place `fd` is put before anything is read
 * (docs/decisions/006-netlink-without-a-thread.md).
 *
 * @throws SyscallError, and closes `fd`
 */
export function readDescriptor(fd: number): Socket {
  try {
    const pair = new NativeMemory(8);
    const flags = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    checked("socketpair", libc.socketpair(AF_UNIX, flags, 0, pair.address));
    const [place, other] = [pair.view.getInt32(0, true), pair.view.getInt32(4, true)];
    libc.close(other);
    // `manualStart` is unknown to Node's types: nothing waits for the Unix socket before `fd` is in its place.
    const options = { fd: place, readable: true, writable: false, manualStart: true };
    const stream = new Socket(options);
    try {
      checked("dup3", libc.dup3(fd, place, O_CLOEXEC));
    } catch (failure) {
      stream.destroy();
      throw failure;
    }
    return stream;
  } finally {
    libc.close(fd);
  }
}
