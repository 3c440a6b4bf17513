import koffi from "koffi";

/**
 * The C library of the running process (glibc or musl: node's own), bound by hand. Every function returns −1 on failure
 * with `errno` set (`errno.ts`), unless it says otherwise. Pointers are plain numbers (`NativeMemory.address` plus an
 * offset): the cheapest form that koffi takes, about 30 ns a call on top of the system call itself, and nothing is
 * allocated. Lengths that fit 31 bits come back as `int`, for the same reason.
 */
const library = koffi.load(null);

type Bound<A extends unknown[]> = (...args: A) => number;

function bind<A extends unknown[]>(declaration: string): Bound<A> {
  return library.func(declaration);
}

export const open: Bound<[path: string, flags: number]> = bind("int open(const char *path, int flags)");
export const close: Bound<[fd: number]> = bind("int close(int fd)");
/** Makes `newFd` another name of `oldFd`, after closing what it was. */
export const dup3: Bound<[oldFd: number, newFd: number, flags: number]> = bind("int dup3(int old, int new, int flags)");
export const read: Bound<[fd: number, address: number, sizeBytes: number]> = bind(
  "int read(int fd, uintptr_t buffer, size_t size)",
);
export const write: Bound<[fd: number, address: number, sizeBytes: number]> = bind(
  "int write(int fd, uintptr_t buffer, size_t size)",
);
/** `vectors` is the address of `count` `struct iovec { void *base; size_t length; }`. */
export const writev: Bound<[fd: number, vectors: number, count: number]> = bind(
  "int writev(int fd, uintptr_t vectors, int count)",
);
/** With the address of the argument. */
export const ioctl: Bound<[fd: number, request: number, argument: number]> = bind(
  "int ioctl(int fd, unsigned long request, uintptr_t argument)",
);
/** `fds` is the address of `count` `struct pollfd { int fd; short events; short revents; }`. */
export const poll: Bound<[fds: number, count: number, timeoutMs: number]> = bind(
  "int poll(uintptr_t fds, unsigned long count, int timeout)",
);
export const eventfd: Bound<[initial: number, flags: number]> = bind("int eventfd(unsigned int initial, int flags)");

export const socket: Bound<[family: number, type: number, protocol: number]> = bind(
  "int socket(int family, int type, int protocol)",
);
/** Writes two descriptors (int each) to `pair`. */
export const socketpair: Bound<[family: number, type: number, protocol: number, pair: number]> = bind(
  "int socketpair(int family, int type, int protocol, uintptr_t pair)",
);
export const bindSocket: Bound<[fd: number, address: number, sizeBytes: number]> = bind(
  "int bind(int fd, uintptr_t address, unsigned int size)",
);
export const getsockname: Bound<[fd: number, address: number, sizeAddress: number]> = bind(
  "int getsockname(int fd, uintptr_t address, uintptr_t size)",
);
export const setsockopt: Bound<[fd: number, level: number, option: number, value: number, sizeBytes: number]> = bind(
  "int setsockopt(int fd, int level, int option, uintptr_t value, unsigned int size)",
);
export const getsockopt: Bound<[fd: number, level: number, option: number, value: number, sizeAddress: number]> = bind(
  "int getsockopt(int fd, int level, int option, uintptr_t value, uintptr_t size)",
);
/** `message` is the address of a `struct msghdr` (`msghdr.ts`). */
export const sendmsg: Bound<[fd: number, message: number, flags: number]> = bind(
  "int sendmsg(int fd, uintptr_t message, int flags)",
);
export const recvmsg: Bound<[fd: number, message: number, flags: number]> = bind(
  "int recvmsg(int fd, uintptr_t message, int flags)",
);
/** Writes `struct timespec { long seconds; long nanoseconds; }` to `time`. */
export const clockGettime: Bound<[clock: number, time: number]> = bind("int clock_gettime(int clock, uintptr_t time)");
