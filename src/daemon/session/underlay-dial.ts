import { proxyOfEnvironment } from "../../control/http-proxy.ts";
import { proxySocket } from "../../control/proxy-socket.ts";
import type { Dial } from "../../host/tcp.ts";
import type { UnderlaySockets } from "../../host/underlay/underlay-sockets.ts";

/**
 * How TCP towards coordinator and relays is opened here: through the proxy that `HTTPS_PROXY` names, but for what `NO_PROXY`
 * excepts. SSH goes to the peers themselves, and never by it.
 * @throws MeshError `proxy-failed` for a proxy that we cannot speak to
 */
export function underlayDial(sockets: UnderlaySockets, environment: NodeJS.ProcessEnv = process.env): Dial {
  const proxy = proxyOfEnvironment(environment);
  return proxy === undefined ? sockets.dial : proxySocket(sockets.dial, proxy);
}
