import { createSocket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { BindListener, Dial } from "../tcp.ts";
import type { OpenUdp } from "../udp.ts";
import { dialByName, markedSocket } from "./marked-dial.ts";
import { openBoundSocket } from "./marked-socket.ts";
import { ownResolver, type Resolve, systemResolve } from "./resolver.ts";

/** How a daemon opens its sockets towards the underlay: all of them carry its firewall mark. */
export interface UnderlaySockets {
  /** 0: none. */
  readonly fwmark: number;
  readonly dial: Dial;
  readonly openUdp: OpenUdp;
  readonly bindListener: BindListener;
  readonly resolve: Resolve;
}

/** @param fwmark 0 for none; names are then resolved as the system does it, over sockets of its own */
export function underlaySockets(fwmark: number): UnderlaySockets {
  const openUdp: OpenUdp = (address) => {
    const fd = openBoundSocket({ type: "udp", fwmark, address, port: 0 });
    return createSocket(isIPv6(address) ? "udp6" : "udp4").bind({ fd });
  };
  const bindListener: BindListener = (server, { host: address, port }) => {
    try {
      server.listen({ fd: openBoundSocket({ type: "tcp", fwmark, address, port }) });
    } catch (failure) {
      // Once the caller can hear it, as of sockets that Node makes.
      process.nextTick(() => server.emit("error", failure));
    }
  };
  const connect = markedSocket(fwmark);
  const resolve = fwmark === 0 ? systemResolve : ownResolver({ openUdp, dial: connect });
  return { fwmark, dial: dialByName(connect, resolve), openUdp, bindListener, resolve };
}
