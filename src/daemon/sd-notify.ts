import { createRequire } from "node:module";
import type * as Koffi from "koffi";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
const SUN_PATH_BYTES = 108;

/**
 * Tells the service manager (sd_notify(3)): one datagram to the Unix socket that `NOTIFY_SOCKET` names, `@` standing for the
 * zero byte of an abstract one. Does nothing where no service manager listens; Node has no Unix datagrams of its own.
 */
export function notifyService(message: string, socketPath: string | undefined = process.env.NOTIFY_SOCKET): boolean {
  if (socketPath === undefined || !/^[/@]/.test(socketPath)) return false;
  const path = Buffer.from(socketPath.replace(/^@/, "\0"));
  if (path.length >= SUN_PATH_BYTES) return false;
  // Loaded only where there is somebody to tell.
  const koffi: typeof Koffi = createRequire(import.meta.url)("koffi");
  const libc = koffi.load(null);
  const socket = libc.func("int socket(int family, int type, int protocol)");
  const sendto = libc.func(
    "long sendto(int fd, const void *data, size_t size, int flags, const void *address, unsigned int addressSize)",
  );
  const close = libc.func("int close(int fd)");
  const address = Buffer.alloc(2 + path.length + (path[0] === 0 ? 0 : 1));
  address.writeUInt16LE(AF_UNIX);
  path.copy(address, 2);
  const data = Buffer.from(message);
  const fd: number = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const sent: number = sendto(fd, data, data.length, MSG_NOSIGNAL, address, address.length);
  close(fd);
  return sent === data.length;
}
