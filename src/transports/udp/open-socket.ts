import { MeshError } from "../../base/errors.ts";
import * as abi from "../../host/ffi/constants.ts";
import { checked, EAFNOSUPPORT, lastErrno, SyscallError } from "../../host/ffi/errno.ts";
import * as libc from "../../host/ffi/libc.ts";
import { NativeMemory } from "../../host/ffi/native-memory.ts";
import { setInt } from "../../host/ffi/socket-option.ts";
import { setMark } from "../../host/underlay/firewall-mark.ts";
import { setFragmentation } from "./fragmentation.ts";

/** Room for a burst of two gigabits' 25 ms; the kernel books about twice the payload. */
const SOCKET_BUFFER_BYTES = 7 << 20;

export interface OpenSocket {
  readonly fd: number;
  readonly family: number;
  readonly port: number;
  /** The kernel cuts a send into datagrams (`UDP_SEGMENT`). */
  readonly segmentation: boolean;
  /** The kernel hands over rows of datagrams (`UDP_GRO`). */
  readonly receiveOffload: boolean;
}

/**
 * Opens a non-blocking UDP socket on every local address of `family`, with the offloads that this kernel has. Returns
 * undefined when the host has no such family (IPv6 switched off, say).
 * @throws MeshError `port-in-use`, `not-permitted` (for a firewall mark); SyscallError for the unforeseen.
 */
export function openSocket(family: number, port: number, fwmark: number): OpenSocket | undefined {
  const fd = libc.socket(family, abi.SOCK_DGRAM | abi.SOCK_NONBLOCK | abi.SOCK_CLOEXEC, 0);
  if (fd === -1) {
    const errno = lastErrno();
    if (errno === EAFNOSUPPORT) return undefined;
    throw new SyscallError("socket", errno);
  }
  try {
    const isV6 = family === abi.AF_INET6;
    if (isV6) checked("setsockopt(IPV6_V6ONLY)", setInt(fd, abi.IPPROTO_IPV6, abi.IPV6_V6ONLY, 1));
    if (fwmark !== 0) setMark(fd, fwmark);
    growBuffer(fd, abi.SO_RCVBUFFORCE, abi.SO_RCVBUF);
    growBuffer(fd, abi.SO_SNDBUFFORCE, abi.SO_SNDBUF);
    if (isV6) checked("setsockopt(IPV6_RECVPKTINFO)", setInt(fd, abi.IPPROTO_IPV6, abi.IPV6_RECVPKTINFO, 1));
    else checked("setsockopt(IP_PKTINFO)", setInt(fd, abi.IPPROTO_IP, abi.IP_PKTINFO, 1));
    setFragmentation(fd, family, true);
    const boundPort = bindAny(fd, family, port);
    if (boundPort === undefined) {
      libc.close(fd);
      return undefined;
    }
    return {
      fd,
      family,
      port: boundPort,
      segmentation: hasSegmentation(fd),
      receiveOffload: setInt(fd, abi.SOL_UDP, abi.UDP_GRO, 1) === 0,
    };
  } catch (failure) {
    libc.close(fd);
    throw failure;
  }
}

function bindAny(fd: number, family: number, port: number): number | undefined {
  const sockaddr = new NativeMemory(28);
  sockaddr.view.setUint16(0, family, true);
  sockaddr.view.setUint16(2, port);
  if (libc.bindSocket(fd, sockaddr.address, family === abi.AF_INET ? 16 : 28) === -1) {
    const failure = new SyscallError("bind", lastErrno());
    // The socket exists but its family has no address at all: net.ipv6.conf.all.disable_ipv6, for one.
    if (failure.code === "EADDRNOTAVAIL") return undefined;
    if (failure.code === "EADDRINUSE")
      throw new MeshError("port-in-use", `UDP port ${port} is taken by another program`, { cause: failure });
    if (failure.code === "EACCES")
      throw new MeshError("not-permitted", `UDP port ${port} needs CAP_NET_BIND_SERVICE`, { cause: failure });
    throw failure;
  }
  const size = new NativeMemory(4);
  size.view.setUint32(0, 28, true);
  checked("getsockname", libc.getsockname(fd, sockaddr.address, size.address));
  return sockaddr.view.getUint16(2);
}

/** Past the system's limit where we may (CAP_NET_ADMIN), else up to it. A small buffer is slow, not wrong. */
function growBuffer(fd: number, forced: number, plain: number): void {
  if (setInt(fd, abi.SOL_SOCKET, forced, SOCKET_BUFFER_BYTES) === -1)
    setInt(fd, abi.SOL_SOCKET, plain, SOCKET_BUFFER_BYTES);
}

function hasSegmentation(fd: number): boolean {
  const value = new NativeMemory(8);
  value.view.setUint32(4, 4, true);
  return libc.getsockopt(fd, abi.SOL_UDP, abi.UDP_SEGMENT, value.address, value.address + 4) === 0;
}
