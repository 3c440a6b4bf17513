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
  const { socket, sendto, close } = libc();
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

type Libc = ReturnType<typeof bindLibc>;
let bound: Libc | undefined;

/** Loaded only where there is somebody to tell, and once: a watchdog is told for as long as we run. */
function libc(): Libc {
  bound ??= bindLibc();
  return bound;
}

function bindLibc() {
  const koffi: typeof Koffi = createRequire(import.meta.url)("koffi");
  const library = koffi.load(null);
  return {
    socket: library.func("int socket(int family, int type, int protocol)"),
    sendto: library.func(
      "long sendto(int fd, const void *data, size_t size, int flags, const void *address, unsigned int addressSize)",
    ),
    close: library.func("int close(int fd)"),
  };
}
