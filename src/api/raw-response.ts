import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { ERROR_CODES } from "../base/error-codes.ts";
import type { MeshError } from "../base/errors.ts";

/** Answers on a bare socket, where there is no response object, and closes it. */
export function refuseOnSocket(socket: Duplex, error: MeshError, status?: number): void {
  socket.end(rawResponse(error, status), () => socket.destroy());
}

/** The last answer of a connection, as it goes over the wire. */
export function rawResponse(error: MeshError, status: number = ERROR_CODES[error.code].http): string {
  const body = JSON.stringify(error.toBody());
  return (
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Error"}\r\n` +
    "Connection: close\r\n" +
    "Content-Type: application/json; charset=utf-8\r\n" +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  );
}
