import { isIP, Socket } from "node:net";
import { systemClock } from "../../base/clock.ts";
import { interleaveFamilies, raceEndpoints } from "../dial-race.ts";
import { type Dial, openTcp, type SocketFactory, type SocketTarget } from "../tcp.ts";
import { openMarkedSocket } from "./marked-socket.ts";
import type { Resolve } from "./resolver.ts";

/** RFC 8305 §8: Connection Attempt Delay. */
const STAGGER_MS = 250;

/** TCP to addresses, whose every packet carries `fwmark`, the first SYN among them. */
export function markedSocket(fwmark: number): SocketFactory {
  return ({ host, port }) => {
    const fd = openMarkedSocket({ type: "tcp", fwmark, address: host });
    // `manualStart` is unknown to Node's types: nothing is read of a socket that is not connected yet.
    const options = { fd, manualStart: true };
    const socket = new Socket(options);
    socket.connect({ host, port });
    socket.setNoDelay(true);
    return socket;
  };
}

/** `connect`, also to names. */
export function dialByName(connect: SocketFactory, resolve: Resolve): Dial {
  return (target, signal) => (isIP(target.host) === 0 ? raceTo(connect, resolve, target, signal) : connect(target));
}

/** All addresses in a race, as Node does it itself for sockets that it makes itself. */
async function raceTo(
  connect: SocketFactory,
  resolve: Resolve,
  target: SocketTarget,
  signal: AbortSignal,
): Promise<Socket> {
  const addresses = await resolve(target.host, signal);
  const targets = new Map(
    addresses.map((host) => [host.includes(":") ? `[${host}]:0` : `${host}:0`, { host, port: target.port }]),
  );
  const failures: unknown[] = [];
  const won = await raceEndpoints({
    endpoints: interleaveFamilies([...targets.keys()]),
    attempt: async (endpoint, lost) => {
      try {
        return await openTcp(connect, targets.get(endpoint) ?? target, lost);
      } catch (failure) {
        failures.push(failure);
        throw failure;
      }
    },
    discard: (late) => late.destroy(),
    staggerMs: STAGGER_MS,
    clock: systemClock,
    signal,
    onAttempt: () => undefined,
  });
  signal.throwIfAborted();
  if (won === undefined) throw new AggregateError(failures, `cannot reach ${target.host}`);
  return won.value;
}
