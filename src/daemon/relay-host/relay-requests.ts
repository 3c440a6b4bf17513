import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { refuseOnSocket } from "../../api/raw-response.ts";
import { ERROR_CODES } from "../../base/error-codes.ts";
import { MeshError } from "../../base/errors.ts";

const NOTHING = new MeshError("not-found", "this is a relay, and there is nothing at this path");

/** What a relay answers beside its WebSocket: `GET /healthz`. */
export function answerRelayRequest(request: IncomingMessage, response: ServerResponse): void {
  const isHealth = request.method === "GET" && request.url === "/healthz";
  const status = isHealth ? 200 : ERROR_CODES[NOTHING.code].http;
  const text = JSON.stringify(isHealth ? { status: "ok" } : NOTHING.toBody());
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    // What a request has for a body is not read.
    connection: "close",
  });
  response.end(text);
}

export function refuseRelayUpgrade(socket: Duplex): void {
  socket.on("error", () => socket.destroy());
  refuseOnSocket(socket, NOTHING);
}
