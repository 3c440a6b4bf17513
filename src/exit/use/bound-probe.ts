import { SO_BINDTODEVICE, SOL_SOCKET } from "../../host/ffi/constants.ts";
import { checked, errnoName, lastErrno } from "../../host/ffi/errno.ts";
import * as libc from "../../host/ffi/libc.ts";
import { MessageHeader } from "../../host/ffi/msghdr.ts";
import { NativeMemory } from "../../host/ffi/native-memory.ts";
import { openMarkedSocket, socketAddress } from "../../host/underlay/marked-socket.ts";

/** Discards what it is sent (RFC 863). */
const DISCARD_PORT = 9;

/**
 * Tries to send one datagram to `address` by this interface alone, past policy routing (`SO_BINDTODEVICE`), without a mark: as
 * a program does that chooses its way.
 * @returns why the host refused it (`EPERM`: a packet filter did), or undefined where it left
 * @throws SyscallError, MeshError `not-permitted`
 */
export function sendBoundTo(interfaceName: string, address: string): string | undefined {
  const fd = openMarkedSocket({ type: "udp", fwmark: 0, address });
  try {
    const device = new NativeMemory(new TextEncoder().encode(`${interfaceName}\0`).slice().buffer);
    checked("setsockopt", libc.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device.address, device.sizeBytes));
    const [name, data, header] = [socketAddress(address, DISCARD_PORT), new NativeMemory(1), new MessageHeader()];
    header.setName(name.address, name.sizeBytes);
    header.setData(data.address, data.sizeBytes);
    return libc.sendmsg(fd, header.address, 0) === -1 ? errnoName(lastErrno()) : undefined;
  } finally {
    libc.close(fd);
  }
}
