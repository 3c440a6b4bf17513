import { createSocket, type SocketType } from "node:dgram";
import { createServer } from "node:net";
import { errnoOf, MeshError } from "../base/errors.ts";

const HINT =
  "Take another by `--listen-port`, or `listen_port` in peer.yaml. On a coordinator's own host its `--stun-listen` may be what has it.";

/** Whether the tunnel could have this UDP port; 0 is always free. @throws MeshError `port-in-use` */
export async function requireFreePort(port: number): Promise<void> {
  if (port !== 0 && (await isUdpPortTaken(port))) {
    throw new MeshError("port-in-use", `UDP port ${port} is in use`, { hint: HINT });
  }
}

/** In either family that the host speaks. */
export async function isUdpPortTaken(port: number): Promise<boolean> {
  return (await isUdpTaken("udp4", port)) || (await isUdpTaken("udp6", port));
}

/** As for UDP. */
export async function isTcpPortTaken(port: number): Promise<boolean> {
  return (await isTcpTaken("0.0.0.0", port)) || (await isTcpTaken("::", port));
}

function isUdpTaken(type: SocketType, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket({ type, ipv6Only: type === "udp6" });
    socket.once("error", (failure) => {
      socket.close();
      // A family that the host lacks is in nobody's use; other failures show when the tunnel opens its own socket.
      resolve(errnoOf(failure) === "EADDRINUSE");
    });
    socket.bind({ port, exclusive: true }, () => socket.close(() => resolve(false)));
  });
}

function isTcpTaken(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (failure) => resolve(errnoOf(failure) === "EADDRINUSE"));
    server.listen({ host, port, ipv6Only: true, exclusive: true }, () => server.close(() => resolve(false)));
  });
}
