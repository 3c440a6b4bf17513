import type { RequestListener } from "node:http";
import type { Duplex } from "node:stream";
import { refuseOnSocket } from "../../api/raw-response.ts";
import { MeshError } from "../../base/errors.ts";
import { HEALTHY, type Readiness, requireReady } from "../../web/health.ts";
import { plainAnswers } from "../../web/plain-answers.ts";

/** What a relay answers beside its WebSocket. */
export function relayAnswers(readiness: Readiness): RequestListener {
  return plainAnswers({
    "/healthz": () => ({ json: HEALTHY }),
    "/readyz": async () => ({ json: await requireReady(readiness) }),
  });
}

export function refuseRelayUpgrade(socket: Duplex): void {
  socket.on("error", () => socket.destroy());
  refuseOnSocket(socket, new MeshError("not-found", "this is a relay, and there is nothing at this path"));
}
