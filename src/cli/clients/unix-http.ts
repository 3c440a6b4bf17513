import { request as httpRequest, type IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import type { z } from "zod";
import { errorBodySchema, meshErrorFromBody } from "../../api/error-body.ts";
import { errnoOf, MeshError } from "../../base/errors.ts";

export interface UnixCall {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly body?: object;
  readonly signal?: AbortSignal;
}

/** HTTP to a process of ours on a Unix socket. */
export class UnixHttp {
  readonly #socketPath: string;
  readonly #nobodyThere: () => MeshError;

  /** `nobodyThere` is the error for a socket that no process serves. */
  constructor(socketPath: string, nobodyThere: () => MeshError) {
    this.#socketPath = socketPath;
    this.#nobodyThere = nobodyThere;
  }

  async call<Schema extends z.ZodType>(call: UnixCall, schema: Schema): Promise<z.output<Schema>> {
    const response = await this.#send(call);
    let body = "";
    response.setEncoding("utf8");
    for await (const chunk of response) body += chunk;
    return schema.parse(JSON.parse(body));
  }

  async bytes(call: UnixCall): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of await this.#send(call)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /** The lines of an NDJSON answer as they come; an error line in the middle is thrown. */
  async *lines<Schema extends z.ZodType>(call: UnixCall, schema: Schema): AsyncGenerator<z.output<Schema>> {
    const response = await this.#send(call);
    try {
      for await (const line of createInterface({ input: response })) {
        const fields: unknown = JSON.parse(line);
        const error = errorBodySchema.safeParse(fields);
        if (error.success && !("seq" in Object(fields))) throw meshErrorFromBody(error.data.error);
        yield schema.parse(fields);
      }
    } finally {
      response.destroy();
    }
  }

  async #send(call: UnixCall): Promise<IncomingMessage> {
    const response = await this.#open(call);
    if (response.statusCode === 200 || response.statusCode === 201) return response;
    let body = "";
    response.setEncoding("utf8");
    for await (const chunk of response) body += chunk;
    throw meshErrorFromBody(errorBodySchema.parse(JSON.parse(body)).error);
  }

  #open({ method, path, body, signal }: UnixCall): Promise<IncomingMessage> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers =
      text === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        {
          socketPath: this.#socketPath,
          method,
          path,
          headers,
          agent: false,
          ...(signal === undefined ? {} : { signal }),
        },
        resolve,
      );
      request.once("error", (failure) => reject(this.#explain(failure)));
      request.end(text);
    });
  }

  #explain(failure: Error): Error {
    switch (errnoOf(failure)) {
      case "ENOENT":
      case "ECONNREFUSED":
        return this.#nobodyThere();
      case "EACCES":
      case "EPERM":
        return new MeshError("not-permitted", `${this.#socketPath} is open to root and its owner only`, {
          cause: failure,
        });
      default:
        return failure;
    }
  }
}
