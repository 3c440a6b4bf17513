import { connect, type Server, type Socket } from "node:net";

export interface SocketTarget {
  readonly host: string;
  readonly port: number;
}

/** Opens a TCP socket towards the underlay; it may still be connecting. A daemon's sockets carry its firewall mark. */
export type SocketFactory = (target: SocketTarget) => Socket;

/**
 * A `SocketFactory`, or what takes longer, such as the way through a proxy (`proxySocket`); `signal` gives it up. Everything
 * that connects towards coordinator and relays does it through one of these.
 */
export type Dial = (target: SocketTarget, signal: AbortSignal) => Socket | Promise<Socket>;

export const plainSocket: SocketFactory = ({ host, port }) => {
  const socket = connect({ host, port, autoSelectFamily: true });
  socket.setNoDelay(true);
  return socket;
};

/** Makes `server` listen on an address of one family. What fails is an `error` event of the server. */
export type BindListener = (server: Server, address: SocketTarget) => void;

/** Each address is of one family, or the second of two wildcards would find the port taken by the first. */
export const bindPlainly: BindListener = (server, { host, port }) => {
  server.listen({ host, port, ipv6Only: host.includes(":") });
};

/** A socket of `dial`, connected. Rejects with the reason of `signal` when that aborts; nothing stays open then. */
export async function openTcp(dial: Dial, target: SocketTarget, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  const dialled = dial(target, signal);
  // Not awaited where there is nothing to wait for: without a route the error comes in this very turn.
  const socket = dialled instanceof Promise ? await dialled : dialled;
  // Stays: an error that nobody hears would end the process.
  socket.on("error", () => socket.destroy());
  try {
    if (socket.connecting || signal.aborted) await eventOf(socket, "connect", signal);
  } catch (failure) {
    socket.destroy();
    throw failure;
  }
  return socket;
}

/** The next such event; rejects with the socket's error, when it closes, and when the signal aborts. */
export function eventOf(socket: Socket, event: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      socket.off(event, onEvent);
      socket.off("error", onError);
      socket.off("close", onClose);
      signal.removeEventListener("abort", onAbort);
    };
    const onEvent = () => {
      settle();
      resolve();
    };
    const onError = (failure: unknown) => {
      settle();
      reject(failure);
    };
    const onClose = () => onError(Object.assign(new Error("the connection was closed"), { code: "ECONNRESET" }));
    const onAbort = () => onError(signal.reason);
    socket.once(event, onEvent);
    socket.once("error", onError);
    socket.once("close", onClose);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}
