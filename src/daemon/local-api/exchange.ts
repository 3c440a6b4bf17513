import type { IncomingMessage, ServerResponse } from "node:http";
import { MeshError } from "../../base/errors.ts";
import { drained } from "../drained.ts";
import type { LocalApiTarget } from "./target.ts";

const MAX_BODY_BYTES = 64 * 1024;
/** Who takes nothing of an answer for so long gets no more of it. */
const STALLED_MS = 30_000;

/** One request with its answer, and the daemon that it is for. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly target: LocalApiTarget;
}

export function sendJson(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
  response.setTimeout(STALLED_MS);
  response.end(text);
}

/** Begins an answer of lines of JSON (NDJSON). */
export function startLines(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
  response.flushHeaders();
}

/** Sends one of them, and waits while the reader is behind. */
export async function sendLine(response: ServerResponse, line: object): Promise<void> {
  if (!response.write(`${JSON.stringify(line)}\n`)) await drained(response);
}

/** Aborted when the caller hangs up, or has got all of its answer. */
export function hangUp(response: ServerResponse): AbortSignal {
  const hungUp = new AbortController();
  response.once("close", () => hungUp.abort());
  return hungUp.signal;
}

/** @throws MeshError `bad-request`, `too-large` */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const text = await readText(request);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MeshError("bad-request", "the body is no JSON", { cause });
  }
}

/** @throws MeshError `too-large` */
export async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  // Who sends too much is told so: leaving the loop must not close the connection.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    if (!(chunk instanceof Buffer)) throw new TypeError("a body must be read as bytes");
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_BODY_BYTES) throw new MeshError("too-large", `the body is longer than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
