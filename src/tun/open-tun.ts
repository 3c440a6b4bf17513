import { MeshError } from "../base/errors.ts";
import * as abi from "../host/ffi/constants.ts";
import { lastErrno, SyscallError } from "../host/ffi/errno.ts";
import * as libc from "../host/ffi/libc.ts";
import { NativeMemory } from "../host/ffi/native-memory.ts";
import type { TunOffloads } from "./tun-device.ts";
import { VIRTIO_HEADER_BYTES } from "./virtio-header.ts";

const DEVICE_PATH = "/dev/net/tun";
/** `struct ifreq`: name at 0, flags (short) at 16. */
const IFREQ_BYTES = 40;

/** A TUN interface as plain data, so that a thread can open what another uses. */
export interface OpenTun {
  readonly fd: number;
  readonly name: string;
  readonly hasVirtioHeader: boolean;
  readonly offloads: TunOffloads;
}

const NO_OFFLOADS: TunOffloads = { checksum: false, tcp4: false, tcp6: false, udp: false };

/** What to ask the kernel for, best first: it grants a set or refuses it as a whole. */
const OFFLOAD_SETS: readonly { readonly flags: number; readonly offloads: TunOffloads }[] = [
  {
    flags: abi.TUN_F_CSUM | abi.TUN_F_TSO4 | abi.TUN_F_TSO6 | abi.TUN_F_USO4 | abi.TUN_F_USO6,
    offloads: { checksum: true, tcp4: true, tcp6: true, udp: true },
  },
  {
    flags: abi.TUN_F_CSUM | abi.TUN_F_TSO4 | abi.TUN_F_TSO6,
    offloads: { checksum: true, tcp4: true, tcp6: true, udp: false },
  },
  { flags: abi.TUN_F_CSUM, offloads: { checksum: true, tcp4: false, tcp6: false, udp: false } },
  { flags: 0, offloads: NO_OFFLOADS },
];

/**
 * Creates the TUN interface `name` (linux/if_tun.h), non-blocking, with what offloads the kernel has. The interface
 * lives until its descriptor is closed; addresses, MTU and state are set from outside.
 * @throws MeshError `bad-interface-name`, `interface-taken`, `no-tun-device`, `not-permitted`
 */
export function openTun(name: string): OpenTun {
  if (!/^[^\s/:%]{1,15}$/.test(name) || name === "." || name === "..")
    throw new MeshError("bad-interface-name", `not a name for a network interface: ${JSON.stringify(name)}`);
  const fd = libc.open(DEVICE_PATH, abi.O_RDWR | abi.O_NONBLOCK | abi.O_CLOEXEC);
  if (fd === -1) throw openFailure(new SyscallError("open", lastErrno()));
  try {
    const hasVirtioHeader = attach(fd, name);
    const offloads = hasVirtioHeader ? negotiateOffloads(fd) : NO_OFFLOADS;
    return { fd, name, hasVirtioHeader, offloads };
  } catch (failure) {
    libc.close(fd);
    throw failure;
  }
}

/** Returns whether frames carry a virtio header. `IFF_TUN_EXCL`: an interface that exists already is never taken over. */
function attach(fd: number, name: string): boolean {
  const flags = abi.IFF_TUN | abi.IFF_NO_PI | abi.IFF_TUN_EXCL;
  let failure = setInterface(fd, name, flags | abi.IFF_VNET_HDR);
  if (failure === undefined) return true;
  if (failure.code === "EINVAL") {
    failure = setInterface(fd, name, flags);
    if (failure === undefined) return false;
  }
  if (failure.code === "EBUSY" || failure.code === "EEXIST")
    throw new MeshError("interface-taken", `the network interface ${name} exists already`, { cause: failure });
  if (failure.code === "EPERM") throw notPermitted(failure);
  throw failure;
}

function setInterface(fd: number, name: string, flags: number): SyscallError | undefined {
  const ifreq = new NativeMemory(IFREQ_BYTES);
  ifreq.bytes.set(Buffer.from(name));
  ifreq.view.setUint16(abi.IFNAMSIZ, flags, true);
  return libc.ioctl(fd, abi.TUNSETIFF, ifreq.address) === 0
    ? undefined
    : new SyscallError("ioctl(TUNSETIFF)", lastErrno());
}

function negotiateOffloads(fd: number): TunOffloads {
  const headerBytes = new NativeMemory(4);
  headerBytes.view.setUint32(0, VIRTIO_HEADER_BYTES, true);
  libc.ioctl(fd, abi.TUNSETVNETHDRSZ, headerBytes.address);
  // TUNSETOFFLOAD takes its flags as the argument itself, not by address.
  return OFFLOAD_SETS.find(({ flags }) => libc.ioctl(fd, abi.TUNSETOFFLOAD, flags) === 0)?.offloads ?? NO_OFFLOADS;
}

function openFailure(failure: SyscallError): Error {
  if (failure.code === "ENOENT" || failure.code === "ENODEV" || failure.code === "ENXIO")
    return new MeshError("no-tun-device", `${DEVICE_PATH} is missing`, { cause: failure });
  if (failure.code === "EPERM" || failure.code === "EACCES") return notPermitted(failure);
  return failure;
}

function notPermitted(cause: SyscallError): MeshError {
  return new MeshError("not-permitted", "creating a network interface needs CAP_NET_ADMIN", {
    hint: "Run as root, or grant CAP_NET_ADMIN.",
    cause,
  });
}
