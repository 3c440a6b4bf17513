import { createSocket, type SocketType } from "node:dgram";
import { errnoOf, MeshError } from "../base/errors.ts";

const HINT =
  "Take another by `--listen-port`, or `listen_port` in peer.yaml. On a coordinator's own host its `--stun-listen` may be what has it.";

/** Whether the tunnel could have this UDP port, in either family that the host speaks; 0 is always free. @throws MeshError `port-in-use` */
export async function requireFreePort(port: number): Promise<void> {
  if (port === 0) return;
  for (const family of ["udp4", "udp6"] as const) {
    if (await isTaken(family, port)) throw new MeshError("port-in-use", `UDP port ${port} is in use`, { hint: HINT });
  }
}

function isTaken(type: SocketType, port: number): Promise<boolean> {
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
