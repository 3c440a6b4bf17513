import { request as httpRequest, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { z } from "zod";
import { errorBodySchema, meshErrorFromBody } from "../api/error-body.ts";
import { type InfoResponse, infoResponseSchema } from "../api/registration.ts";
import { MeshError } from "../base/errors.ts";
import { softwareVersion } from "../base/version.ts";
import { type Dial, plainSocket } from "../host/tcp.ts";
import { classifyConnectionFailure, notACoordinator } from "./connection-errors.ts";
import { openSecureSocket, type Security } from "./secure-socket.ts";
import { type CoordinatorTrust, pinCa, type UsableTrust } from "./trust.ts";

const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
const DEFAULT_TIMEOUT_MS = 10_000;

interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

export interface CoordinatorHttpDeps {
  readonly socketFactory?: Dial;
  readonly timeoutMs?: number;
  /** Ends calls with `interrupted`. */
  readonly signal?: AbortSignal | undefined;
}

interface Means {
  readonly socketFactory: Dial;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

export interface CoordinatorHttpOptions {
  /** Normalised (`normalizeCoordinatorUrl`). */
  readonly url: string;
  readonly trust: CoordinatorTrust;
}

/**
 * HTTPS calls to one coordinator. Start with `connect`: it pins the CA where only its fingerprint is known and makes sure
 * that a coordinator answers, with an error that tells what is wrong otherwise.
 */
export class CoordinatorHttp {
  readonly url: string;
  readonly trust: UsableTrust;
  readonly info: InfoResponse;
  readonly #means: Means;

  private constructor(url: string, trust: UsableTrust, info: InfoResponse, means: Means) {
    this.url = url;
    this.trust = trust;
    this.info = info;
    this.#means = means;
  }

  /**
   * @throws MeshError `coordinator-unreachable`, `timeout`, `plain-http`, `not-a-coordinator`, `ca-mismatch`,
   *   `certificate-untrusted`, `interrupted`
   */
  static async connect(options: CoordinatorHttpOptions, deps: CoordinatorHttpDeps = {}): Promise<CoordinatorHttp> {
    const { url } = options;
    const { socketFactory = plainSocket, timeoutMs = DEFAULT_TIMEOUT_MS, signal } = deps;
    const means = { socketFactory, timeoutMs, signal };
    const trust = await establishTrust(options.trust, url, means);
    const answer = await exchangeOrExplain(url, trust, means, { method: "GET", path: "/v1/info" });
    const info = parseAnswer(answer, infoResponseSchema, url);
    return new CoordinatorHttp(url, trust, info, means);
  }

  /** @throws MeshError the coordinator's own error, or one of `connect`'s. */
  send<Schema extends z.ZodType>(
    method: "POST" | "DELETE",
    path: string,
    body: object,
    schema: Schema,
  ): Promise<z.output<Schema>> {
    return this.call({ method, path, body: JSON.stringify(body) }, schema);
  }

  /** As `send`, with a body that is text already, or none. */
  async call<Schema extends z.ZodType>(call: CoordinatorCall, schema: Schema): Promise<z.output<Schema>> {
    const answer = await exchangeOrExplain(this.url, this.trust, this.#means, call);
    return parseAnswer(answer, schema, this.url);
  }
}

/**
 * The first of several coordinators that answers. When none does, the first failure that says more than "unreachable" is
 * thrown, else the first of all.
 */
export async function connectToAny(
  urls: readonly string[],
  trust: CoordinatorTrust,
  deps: CoordinatorHttpDeps = {},
): Promise<CoordinatorHttp> {
  const failures: MeshError[] = [];
  for (const url of urls) {
    try {
      return await CoordinatorHttp.connect({ url, trust }, deps);
    } catch (failure) {
      if (!(failure instanceof MeshError) || failure.code === "interrupted") throw failure;
      failures.push(failure);
    }
  }
  const telling = failures.find(({ code }) => code !== "coordinator-unreachable" && code !== "timeout");
  throw telling ?? failures[0] ?? new MeshError("bad-usage", "no coordinator address is known");
}

async function establishTrust(trust: CoordinatorTrust, url: string, means: Means): Promise<UsableTrust> {
  if (trust.kind !== "fingerprint") return trust;
  // The only unverified request: what it brings is worth nothing until its hash equals the one in the token.
  const { status, body } = await exchangeOrExplain(url, { kind: "unverified" }, means, {
    method: "GET",
    path: "/v1/ca",
  });
  if (status !== 200 || !body.includes("-----BEGIN CERTIFICATE-----")) {
    throw notACoordinator(url, "it has no CA certificate to show");
  }
  return pinCa(body, trust.fingerprint);
}

export interface CoordinatorCall {
  readonly method: "GET" | "POST" | "DELETE";
  /** With its query. */
  readonly path: string;
  /** JSON. */
  readonly body?: string | undefined;
  readonly authorization?: string;
}

async function exchangeOrExplain(
  url: string,
  security: Security,
  means: Means,
  call: CoordinatorCall,
): Promise<Answer> {
  const effective: Security = url.startsWith("http:") ? { kind: "plain" } : security;
  try {
    return await exchange(url, effective, means, call);
  } catch (thrown) {
    const failure = classifyConnectionFailure(thrown, url, effective.kind === "pinned-ca");
    if (failure instanceof MeshError) throw failure;
    if (effective.kind !== "plain" && (await speaksPlainHttp(url, means))) {
      throw new MeshError("plain-http", `${url} answers in plain HTTP, without TLS`, { cause: failure.cause });
    }
    throw notACoordinator(url, "it does not speak TLS", failure.cause);
  }
}

async function speaksPlainHttp(url: string, means: Means): Promise<boolean> {
  try {
    const hasty = { ...means, timeoutMs: Math.min(means.timeoutMs, 2000) };
    await exchange(url, { kind: "plain" }, hasty, { method: "GET", path: "/v1/info" });
    return true;
  } catch {
    // Whatever went wrong, it was no HTTP answer: that is the question here.
    return false;
  }
}

async function exchange(url: string, security: Security, means: Means, call: CoordinatorCall): Promise<Answer> {
  const { socketFactory, timeoutMs, signal } = means;
  const attempt = new AbortController();
  const interrupt = () => attempt.abort(new MeshError("interrupted", `interrupted while talking to ${url}`));
  const timer = setTimeout(
    () => attempt.abort(new MeshError("timeout", `${url} did not answer within ${timeoutMs / 1000} s`)),
    timeoutMs,
  );
  signal?.addEventListener("abort", interrupt, { once: true });
  if (signal?.aborted === true) interrupt();
  try {
    const socket = await openSecureSocket(url, security, socketFactory, attempt.signal);
    return await exchangeOn(socket, url, call, attempt.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", interrupt);
  }
}

function exchangeOn(socket: Socket, url: string, call: CoordinatorCall, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers: Record<string, string | number> = {
      host: new URL(url).host,
      accept: "application/json",
      "user-agent": `mesh/${softwareVersion()}`,
    };
    if (call.body !== undefined) {
      headers["content-type"] = "application/json";
      headers["content-length"] = Buffer.byteLength(call.body);
    }
    if (call.authorization !== undefined) headers.authorization = call.authorization;
    const { method, path } = call;
    const request = httpRequest({ method, path, headers, createConnection: () => socket });
    const abort = () => request.destroy(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    request.once("error", reject);
    request.once("response", (response) => readAnswer(response, url).then(resolve, reject));
    request.once("close", () => signal.removeEventListener("abort", abort));
    request.end(call.body);
  });
}

async function readAnswer(response: IncomingMessage, url: string): Promise<Answer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of response) {
    if (!(chunk instanceof Buffer)) throw new TypeError("an HTTP body must be read as bytes");
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_ANSWER_BYTES) throw notACoordinator(url, "its answer is far too long");
    chunks.push(chunk);
  }
  const contentType = response.headers["content-type"] ?? "";
  return { status: response.statusCode ?? 0, contentType, body: Buffer.concat(chunks).toString("utf8") };
}

function parseAnswer<Schema extends z.ZodType>(answer: Answer, schema: Schema, url: string): z.output<Schema> {
  let fields: unknown;
  try {
    fields = JSON.parse(answer.body);
  } catch (cause) {
    throw notACoordinator(url, `it answers ${answer.status} ${answer.contentType || "without a type"}`, cause);
  }
  if (answer.status < 200 || answer.status > 299) {
    const error = errorBodySchema.safeParse(fields);
    if (error.success) throw meshErrorFromBody(error.data.error);
    throw notACoordinator(url, `it answers with status ${answer.status}`);
  }
  const parsed = schema.safeParse(fields);
  if (!parsed.success) throw notACoordinator(url, "its answer has another shape", parsed.error);
  return parsed.data;
}
