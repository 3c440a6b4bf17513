import { MeshError } from "../../base/errors.ts";
import { SO_MARK, SOL_SOCKET } from "../ffi/constants.ts";
import { EPERM, lastErrno, SyscallError } from "../ffi/errno.ts";
import * as libc from "../ffi/libc.ts";
import { NativeMemory } from "../ffi/native-memory.ts";

/**
 * On what we send to the underlay unless told otherwise. Clear of the marks that others are known to set or to match bits
 * of: wg-quick 0xca6c, kube-proxy 0x4000 and 0x8000, Tailscale 0xff0000, Calico 0xffff0000.
 */
export const DEFAULT_FWMARK = 0x2086;

export const MAX_FWMARK = 0xffff_ffff;

/**
 * Marks all that the socket sends from now on (`SO_MARK`), for policy routing and nftables; what a listening socket accepts
 * inherits it.
 * @throws MeshError `not-permitted`
 */
export function setMark(fd: number, fwmark: number): void {
  const value = new NativeMemory(4);
  value.view.setUint32(0, fwmark, true);
  if (libc.setsockopt(fd, SOL_SOCKET, SO_MARK, value.address, 4) === 0) return;
  const errno = lastErrno();
  if (errno !== EPERM) throw new SyscallError("setsockopt(SO_MARK)", errno);
  throw new MeshError("not-permitted", "a firewall mark on our sockets needs CAP_NET_ADMIN", {
    hint: "Run as root, grant CAP_NET_ADMIN, or go without the mark: `--fwmark off`.",
  });
}
