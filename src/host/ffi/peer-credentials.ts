import { SO_PEERCRED, SO_PEERGROUPS, SOL_SOCKET } from "./constants.ts";
import { checked, ERANGE, lastErrno } from "./errno.ts";
import * as libc from "./libc.ts";
import { NativeMemory } from "./native-memory.ts";

/** `struct ucred { pid_t pid; uid_t uid; gid_t gid; }` */
const UCRED_BYTES = 12;
const GID_BYTES = 4;
/** What hardly anybody exceeds; the kernel says how many there are where that is too few. */
const USUAL_GROUPS = 64;

/** Who connected a Unix socket, as the kernel noted it at that moment. */
export interface PeerCredentials {
  readonly uid: number;
  /** The effective group first, then the supplementary ones. */
  readonly gids: readonly number[];
}

/** Credentials of the other end of a connected Unix stream socket (unix(7)). @throws SyscallError */
export function peerCredentials(fd: number): PeerCredentials {
  const { view } = socketOption(fd, SO_PEERCRED, UCRED_BYTES);
  const groups = socketOption(fd, SO_PEERGROUPS, USUAL_GROUPS * GID_BYTES);
  const gids = [view.getUint32(8, true)];
  for (let offset = 0; offset < groups.sizeBytes; offset += GID_BYTES) gids.push(groups.view.getUint32(offset, true));
  return { uid: view.getUint32(4, true), gids };
}

/** What getsockopt(2) gives; asked again with more room where the kernel says that it needs that. */
function socketOption(fd: number, option: number, roomBytes: number): { view: DataView; sizeBytes: number } {
  const size = new NativeMemory(4);
  size.view.setUint32(0, roomBytes, true);
  const value = new NativeMemory(roomBytes);
  const result = libc.getsockopt(fd, SOL_SOCKET, option, value.address, size.address);
  const sizeBytes = size.view.getUint32(0, true);
  if (result === -1 && lastErrno() === ERANGE && sizeBytes > roomBytes) return socketOption(fd, option, sizeBytes);
  checked("getsockopt", result);
  return { view: value.view, sizeBytes };
}
