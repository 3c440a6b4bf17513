import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { ERROR_CODES } from "../base/error-codes.ts";
import { asMeshError, MeshError } from "../base/errors.ts";

/** What is at a path: text of a type, or a value to be sent as JSON. */
type Answer = { readonly contentType: string; readonly text: string } | { readonly json: object };

/** Answers GETs of a few paths whose answers need nothing of the request. */
export function plainAnswers(answers: Readonly<Record<string, () => Answer | Promise<Answer>>>): RequestListener {
  return (request, response) => void answer(request, response, answers);
}

async function answer(
  { method, url }: IncomingMessage,
  response: ServerResponse,
  answers: Parameters<typeof plainAnswers>[0],
): Promise<void> {
  try {
    const path = (url ?? "").split("?", 1)[0] ?? "";
    const found = Object.hasOwn(answers, path) ? answers[path] : undefined;
    if (found === undefined) throw new MeshError("not-found", "there is nothing at this path");
    if (method !== "GET") {
      response.setHeader("allow", "GET");
      throw new MeshError("method-not-allowed", "this path answers to GET");
    }
    send(response, 200, await found());
  } catch (thrown) {
    const error = asMeshError(thrown);
    send(response, ERROR_CODES[error.code].http, { json: error.toBody() });
  }
}

function send(response: ServerResponse, status: number, answered: Answer): void {
  const isJson = "json" in answered;
  const text = isJson ? JSON.stringify(answered.json) : answered.text;
  response.writeHead(status, {
    "content-type": isJson ? "application/json; charset=utf-8" : answered.contentType,
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    // What a request has for a body is not read.
    connection: "close",
  });
  response.end(text);
}
