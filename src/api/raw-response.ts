import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { ERROR_CODES } from "../base/error-codes.ts";
import type { MeshError } from "../base/errors.ts";

/** Answers on a bare socket, where there is no response object, and closes it. */
export function refuseOnSocket(socket: Duplex, error: MeshError, status: number = ERROR_CODES[error.code].http): void {
  const body = JSON.stringify(error.toBody());
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Error"}\r\n` +
      "Connection: close\r\n" +
      "Content-Type: application/json; charset=utf-8\r\n" +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}
