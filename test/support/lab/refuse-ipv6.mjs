/**
 * Loaded before a program (`node --import FILE`): the kernel then refuses its main thread every IPv6 socket, by
 * EAFNOSUPPORT, as it does where it was booted with `ipv6.disable=1` and under systemd's `RestrictAddressFamilies`. It is
 * a filter of system calls, seccomp(2), and cannot be taken off again.
 */
import koffi from "koffi";

// linux/prctl.h, linux/seccomp.h
const PR_SET_SECCOMP = 22;
const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_MODE_FILTER = 2;
const SECCOMP_RET_ERRNO = 0x00050000;
const SECCOMP_RET_ALLOW = 0x7fff0000;
/** Offsets in `struct seccomp_data`; of the first argument the lower half, on a little-endian machine. */
const SYSTEM_CALL = 0;
const FIRST_ARGUMENT = 16;

// linux/bpf_common.h
const LOAD_WORD = 0x20;
const JUMP_IF_EQUAL = 0x15;
const RETURN = 0x06;

const SYS_SOCKET = { x64: 41, arm64: 198 }[process.arch];
const AF_INET6 = 10;
const EAFNOSUPPORT = 97;

if (SYS_SOCKET === undefined) throw new Error(`the number of socket() on ${process.arch} is not known here`);

const program = [
  [LOAD_WORD, 0, 0, SYSTEM_CALL],
  [JUMP_IF_EQUAL, 0, 3, SYS_SOCKET],
  [LOAD_WORD, 0, 0, FIRST_ARGUMENT],
  [JUMP_IF_EQUAL, 0, 1, AF_INET6],
  [RETURN, 0, 0, SECCOMP_RET_ERRNO | EAFNOSUPPORT],
  [RETURN, 0, 0, SECCOMP_RET_ALLOW],
];

/** `struct sock_filter { u16 code; u8 jumpIfTrue; u8 jumpIfFalse; u32 k; }` each. */
const filter = Buffer.alloc(program.length * 8);
for (const [index, [code, jumpIfTrue, jumpIfFalse, k]] of program.entries()) {
  filter.writeUInt16LE(code, index * 8);
  filter.writeUInt8(jumpIfTrue, index * 8 + 2);
  filter.writeUInt8(jumpIfFalse, index * 8 + 3);
  filter.writeUInt32LE(k, index * 8 + 4);
}
/** `struct sock_fprog { u16 length; struct sock_filter *filter; }`. */
const filterProgram = Buffer.alloc(16);
filterProgram.writeUInt16LE(program.length, 0);
filterProgram.writeBigUInt64LE(koffi.address(filter), 8);

const prctl = koffi
  .load(null)
  .func("int prctl(int option, unsigned long a, const void *b, unsigned long c, unsigned long d)");
for (const status of [
  prctl(PR_SET_NO_NEW_PRIVS, 1, null, 0, 0),
  prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filterProgram, 0, 0),
]) {
  if (status !== 0) throw new Error(`prctl failed with errno ${koffi.errno()}`);
}
