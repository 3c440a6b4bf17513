import { isIPv6 } from "node:net";
import { parseAddress } from "../../packet/address.ts";
import * as abi from "../ffi/constants.ts";
import { checked } from "../ffi/errno.ts";
import { interfaceIndex } from "../ffi/interface-index.ts";
import * as libc from "../ffi/libc.ts";
import { NativeMemory } from "../ffi/native-memory.ts";
import { setInt as setSocketInt } from "../ffi/socket-option.ts";
import { setMark } from "./firewall-mark.ts";

/**
 * What our TCP sends and asks for at most in a segment. Where routers drop what is too big and say nothing, TCP itself does
 * not find out (Linux does not probe unless the administrator says so), and a connection stands still for ever: better a
 * few per cent more headers. 1124 over IPv4 and IPv6's minimum get through anywhere.
 */
const MAX_SEGMENT_BYTES = { v4: 1124 - 40, v6: 1280 - 60 } as const;

export interface MarkedSocketOptions {
  readonly type: "tcp" | "udp";
  /** 0: none. */
  readonly fwmark: number;
  /** Of one family, a zone allowed: the far end, or where it is bound. */
  readonly address: string;
}

/**
 * The descriptor of a socket of its own family only, not yet bound nor connected, for Node to take over. Node gives its own
 * sockets a descriptor only when they already send.
 * @throws MeshError `not-permitted`; SyscallError
 */
export function openMarkedSocket({ type, fwmark, address }: MarkedSocketOptions): number {
  const isV6 = isIPv6(address);
  const kind = (type === "tcp" ? abi.SOCK_STREAM : abi.SOCK_DGRAM) | abi.SOCK_NONBLOCK | abi.SOCK_CLOEXEC;
  const fd = checked("socket", libc.socket(isV6 ? abi.AF_INET6 : abi.AF_INET, kind, 0));
  return closedOnFailure(fd, () => {
    if (fwmark !== 0) setMark(fd, fwmark);
    if (isV6) setInt(fd, abi.IPPROTO_IPV6, abi.IPV6_V6ONLY, 1);
    if (type === "tcp") setInt(fd, abi.IPPROTO_TCP, abi.TCP_MAXSEG, MAX_SEGMENT_BYTES[isV6 ? "v6" : "v4"]);
  });
}

/**
 * As `openMarkedSocket`, bound to `address` and `port`; 0: any.
 * @throws MeshError `not-permitted`; SyscallError `EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL` and others
 */
export function openBoundSocket(options: MarkedSocketOptions & { readonly port: number }): number {
  const { type, address, port } = options;
  const fd = openMarkedSocket(options);
  return closedOnFailure(fd, () => {
    // As Node does: the connections of a server that has ended need not be waited for.
    if (type === "tcp") setInt(fd, abi.SOL_SOCKET, abi.SO_REUSEADDR, 1);
    const name = socketAddress(address, port);
    checked("bind", libc.bindSocket(fd, name.address, name.sizeBytes));
  });
}

function closedOnFailure(fd: number, prepare: () => void): number {
  try {
    prepare();
    return fd;
  } catch (failure) {
    libc.close(fd);
    throw failure;
  }
}

function setInt(fd: number, level: number, option: number, value: number): void {
  checked("setsockopt", setSocketInt(fd, level, option, value));
}

/** `struct sockaddr_in { u16 family; u16 port; u8 address[4]; … }`, or `sockaddr_in6` with flow label and scope. */
export function socketAddress(text: string, port: number): NativeMemory {
  const [address = "", zone] = text.split("%");
  const bytes = parseAddress(address);
  const isV6 = bytes.length === 16;
  const memory = new NativeMemory(isV6 ? 28 : 16);
  memory.view.setUint16(0, isV6 ? abi.AF_INET6 : abi.AF_INET, true);
  memory.view.setUint16(2, port);
  memory.bytes.set(bytes, isV6 ? 8 : 4);
  if (isV6 && zone !== undefined) memory.view.setUint32(24, interfaceIndex(zone), true);
  return memory;
}
