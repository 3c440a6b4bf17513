import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";

/**
 * Opens a UDP socket of one family, bound to this address and any port; it may still be on its way there, and keeps what it is
 * given to send until then. What fails is thrown, or an `error` event of it.
 */
export type OpenUdp = (localAddress: string) => Socket;

export const plainUdp: OpenUdp = (localAddress) => {
  const socket = createSocket(isIPv6(localAddress) ? { type: "udp6", ipv6Only: true } : { type: "udp4" });
  socket.bind(0, localAddress);
  return socket;
};
