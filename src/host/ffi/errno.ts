import koffi from "koffi";

/** A failed system call. `code` is the `errno` name (`"EADDRINUSE"`), as Node's own system errors have it. */
export class SyscallError extends Error {
  override readonly name = "SyscallError";
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;

  constructor(syscall: string, errno: number) {
    const code = errnoName(errno);
    super(`${syscall} failed: ${code}`);
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
  }
}

const names = new Map(Object.entries(koffi.os.errno).map(([name, value]) => [value, name]));
// Two names for one number, of which the table above keeps the later; these are the ones people know.
names.set(11, "EAGAIN");
names.set(95, "EOPNOTSUPP");

export function errnoName(errno: number): string {
  return names.get(errno) ?? `errno ${errno}`;
}

/** The calling thread's `errno`: valid right after a call of `libc.ts` returned −1. */
export function lastErrno(): number {
  return koffi.errno();
}

/** `result` when it is not −1; else throws what `errno` says of `syscall`. */
export function checked(syscall: string, result: number): number {
  if (result === -1) throw new SyscallError(syscall, lastErrno());
  return result;
}

// The numbers (asm-generic/errno.h) that the packet path tells apart without a table.
export const EPERM = 1;
export const EINTR = 4;
export const EIO = 5;
export const EAGAIN = 11;
export const EINVAL = 22;
export const ERANGE = 34;
export const EMSGSIZE = 90;
export const EAFNOSUPPORT = 97;
export const EADDRNOTAVAIL = 99;
export const ENETUNREACH = 101;
export const ENOBUFS = 105;
export const EHOSTUNREACH = 113;
