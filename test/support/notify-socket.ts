import koffi from "koffi";
import { AF_UNIX, SOCK_DGRAM, SOCK_NONBLOCK } from "../../src/host/ffi/constants.ts";

const libc = koffi.load(null);
const openSocket = libc.func("int socket(int family, int type, int protocol)");
const bind = libc.func("int bind(int fd, const void *address, unsigned int size)");
const receive = libc.func("long recv(int fd, _Out_ uint8_t *buffer, size_t size, int flags)");
const close = libc.func("int close(int fd)");

const MAX_MESSAGE_BYTES = 4096;

/** The service manager's end of sd_notify(3). */
export class NotifySocket implements Disposable {
  readonly #fd: number;

  /** @param name a path, or an abstract name after a zero byte */
  constructor(name: string) {
    this.#fd = openSocket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    const address = Buffer.concat([Buffer.from([AF_UNIX, 0]), Buffer.from(name)]);
    if (bind(this.#fd, address, address.length) === 0) return;
    close(this.#fd);
    throw new Error(`${JSON.stringify(name)} cannot be bound`);
  }

  /** What has come since it was last asked. */
  take(): string[] {
    const messages: string[] = [];
    const buffer = Buffer.alloc(MAX_MESSAGE_BYTES);
    for (let size = this.#receive(buffer); size >= 0; size = this.#receive(buffer))
      messages.push(buffer.toString("utf8", 0, size));
    return messages;
  }

  [Symbol.dispose](): void {
    close(this.#fd);
  }

  #receive(buffer: Buffer): number {
    return receive(this.#fd, buffer, buffer.length, 0);
  }
}
