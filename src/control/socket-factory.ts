import { connect, type Socket } from "node:net";

/**
 * Opens a TCP socket towards the underlay. Everything in this folder that connects does it through one of these, so that
 * a daemon can hand in a factory whose sockets carry its firewall mark.
 */
export type SocketFactory = (target: { readonly host: string; readonly port: number }) => Socket;

export const plainSocket: SocketFactory = ({ host, port }) => {
  const socket = connect({ host, port, autoSelectFamily: true });
  socket.setNoDelay(true);
  return socket;
};
