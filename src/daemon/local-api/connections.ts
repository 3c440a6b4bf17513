import type { Socket } from "node:net";
import { rawResponse } from "../../api/raw-response.ts";
import { MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { SourceQuota } from "../../base/source-quota.ts";
import { type PeerCredentials, peerCredentials } from "../../host/ffi/peer-credentials.ts";
import { isOwner } from "./access.ts";

/** Of all users but root and the daemon's own, together and each. */
const MAX_OTHERS = 128;
const MAX_PER_USER = 32;
/** Kept for root and the daemon's own user: nobody else can lock these out. */
const MAX_OWNERS = 128;
/** Of those beyond, together and of each user, so many hear that there is no room; what else comes is closed without a word. */
const MAX_REFUSED = 64;
const MAX_REFUSED_PER_USER = 16;
const REFUSED_LINGER_MS = 1000;

/** The open connections, and who holds them. */
export class Connections {
  readonly #callers = new WeakMap<Socket, PeerCredentials>();
  readonly #owners = new SourceQuota(MAX_OWNERS, MAX_OWNERS);
  readonly #others = new SourceQuota(MAX_OTHERS, MAX_PER_USER);
  readonly #refused = new SourceQuota(MAX_REFUSED, MAX_REFUSED_PER_USER);
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Takes a new connection in, or tells it that there is no room and closes it. */
  enter(socket: Socket): void {
    const caller = this.#credentialsOf(socket);
    if (caller === undefined) return;
    const quota = isOwner(caller) ? this.#owners : this.#others;
    const source = String(caller.uid);
    if (!quota.hasRoomFor(source)) {
      this.#refuse(socket, source);
      return;
    }
    this.#callers.set(socket, caller);
    socket.once("close", quota.enter(source));
  }

  /** Who is at the other end; undefined for a connection that was not let in. */
  callerOf(socket: Socket): PeerCredentials | undefined {
    return this.#callers.get(socket);
  }

  #refuse(socket: Socket, source: string): void {
    // A client that hangs up before it is told is its own affair.
    socket.on("error", () => undefined);
    if (!this.#refused.hasRoomFor(source)) {
      socket.destroy();
      return;
    }
    const leave = this.#refused.enter(source);
    // Closed at once, it would break under a client that is still writing, which then reads no answer.
    const linger = setTimeout(() => socket.destroy(), REFUSED_LINGER_MS);
    socket.once("close", () => {
      clearTimeout(linger);
      leave();
    });
    socket.end(rawResponse(new MeshError("rate-limited", "too many connections to the daemon are open")));
  }

  /** Nobody in particular is nobody at all: without credentials the connection ends. */
  #credentialsOf(socket: Socket): PeerCredentials | undefined {
    try {
      return peerCredentials(descriptorOf(socket));
    } catch (failure) {
      this.#logger.warn({ failure }, "who connects to the local API is not to be known");
      socket.destroy();
      return undefined;
    }
  }
}

/** Node keeps a socket's descriptor to itself; the handle underneath has it. */
function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as Socket & { readonly _handle?: { readonly fd?: number } | null };
  if (handle?.fd === undefined || handle.fd < 0) throw new Error("the socket has no descriptor");
  return handle.fd;
}
