import { connect, type Socket } from "node:net";
import type { SocketFactory, Target } from "./options.ts";

export const plainSocket: SocketFactory = ({ host, port }) => connect({ host, port, autoSelectFamily: true });

/** A connected TCP socket without Nagle's delay. When `signal` aborts: a rejection, and nothing stays open. */
export function openTcp(open: SocketFactory, target: Target, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = open(target);
    const abort = () => socket.destroy(signal.reason instanceof Error ? signal.reason : new Error("given up"));
    const settle = () => signal.removeEventListener("abort", abort);
    signal.addEventListener("abort", abort, { once: true });
    socket.setNoDelay(true);
    // Stays: an error that nobody hears would end the process.
    socket.on("error", (failure) => {
      settle();
      reject(failure);
    });
    socket.once("close", () => reject(new Error("the connection was closed")));
    const done = () => {
      settle();
      resolve(socket);
    };
    if (socket.connecting) socket.once("connect", done);
    else done();
  });
}
