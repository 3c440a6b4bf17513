import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { z } from "zod";
import { type ExplainRequest, type Explanation, explainRequestSchema } from "../api/explain.ts";
import {
  type AcceptedPeer,
  type DownReply,
  type KeysRotated,
  type LeaveReply,
  type NetcheckReply,
  type PingReply,
  type PingRequest,
  type PreferenceReply,
  type PreferenceRequest,
  type Preferences,
  peerAcceptSchema,
  pingRequestSchema,
  preferenceRequestSchema,
  type Status,
} from "../api/local.ts";
import { type DnsQueryReply, type DnsQueryRequest, type DnsStatus, dnsQueryRequestSchema } from "../api/local-dns.ts";
import {
  type ExitCheck,
  type ExitOffer,
  type ExitUseRequest,
  type ExitUseView,
  type ExitView,
  exitOfferRequestSchema,
  exitUseRequestSchema,
  type RoutesView,
} from "../api/local-exit.ts";
import {
  type FilterAdd,
  type FilterDefaultRequest,
  type FilterDefaults,
  type FilterEntry,
  type FilterRemove,
  type FilterView,
  filterAddSchema,
  filterDefaultRequestSchema,
  filterRemoveSchema,
} from "../api/local-filter.ts";
import type { HostView } from "../api/local-host.ts";
import { ERROR_CODES } from "../base/error-codes.ts";
import { asMeshError, MeshError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { AdminCall } from "./admin-call.ts";
import { listenOnUnixSocket } from "./unix-socket.ts";

const MAX_BODY_BYTES = 64 * 1024;

/** What it asks of the packet filter. */
export interface FilterTarget {
  view(): FilterView;
  add(request: FilterAdd): Promise<FilterEntry>;
  remove(request: FilterRemove): Promise<FilterEntry>;
  setDefault(request: FilterDefaultRequest): Promise<FilterDefaults>;
}

/** What it asks of the name server. */
export interface DnsTarget {
  status(): DnsStatus;
  query(request: DnsQueryRequest): Promise<DnsQueryReply>;
}

/** What the local API asks of the daemon. */
export interface LocalApiTarget {
  status(): Status;
  /** Calls `listener` after every change; returns what ends that. */
  onChange(listener: () => void): () => void;
  up(): Promise<void>;
  down(): Promise<DownReply>;
  leave(): Promise<LeaveReply>;
  ping(request: PingRequest, signal: AbortSignal): AsyncIterable<PingReply>;
  acceptPeer(name: string): Promise<AcceptedPeer>;
  rotateKeys(): Promise<KeysRotated>;
  preferences(): Preferences;
  prefer(request: PreferenceRequest): Promise<PreferenceReply>;
  netcheck(signal: AbortSignal): Promise<NetcheckReply>;
  explain(request: ExplainRequest): Promise<Explanation>;
  readonly filter: FilterTarget;
  readonly dns: DnsTarget;
  exits(): ExitView;
  offerExit(offer: boolean): Promise<ExitOffer>;
  useExit(request: ExitUseRequest): Promise<ExitUseView>;
  confirmExit(): Promise<ExitUseView>;
  checkExit(): Promise<ExitCheck>;
  routes(): RoutesView;
  hostChanges(): Promise<HostView>;
  /** Has the coordinator do it, in the name of this machine. */
  admin(call: AdminCall): Promise<object>;
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly target: LocalApiTarget;
}

type Handler = (exchange: Exchange) => Promise<void>;

const ROUTES: Readonly<Record<string, Handler>> = {
  "GET /v1/status": async ({ response, target }) => sendJson(response, 200, target.status()),
  "GET /v1/status/watch": watchStatus,
  "POST /v1/up": async ({ response, target }) => {
    await target.up();
    sendJson(response, 200, target.status());
  },
  "POST /v1/down": async ({ response, target }) => {
    sendJson(response, 200, await target.down());
  },
  "POST /v1/leave": async ({ response, target }) => {
    sendJson(response, 200, await target.leave());
  },
  "POST /v1/ping": pingPeer,
  "GET /v1/preferences": async ({ response, target }) => sendJson(response, 200, target.preferences()),
  "POST /v1/preferences": async ({ request, response, target }) => {
    sendJson(response, 200, await target.prefer(parseWith(preferenceRequestSchema, await readJson(request))));
  },
  "POST /v1/netcheck": async ({ response, target }) => {
    sendJson(response, 200, await target.netcheck(hangUp(response)));
  },
  "GET /v1/filter": async ({ response, target }) => sendJson(response, 200, target.filter.view()),
  "POST /v1/filter/add": async ({ request, response, target }) => {
    sendJson(response, 200, await target.filter.add(parseWith(filterAddSchema, await readJson(request))));
  },
  "POST /v1/filter/remove": async ({ request, response, target }) => {
    sendJson(response, 200, await target.filter.remove(parseWith(filterRemoveSchema, await readJson(request))));
  },
  "POST /v1/filter/default": async ({ request, response, target }) => {
    const wanted = parseWith(filterDefaultRequestSchema, await readJson(request));
    sendJson(response, 200, await target.filter.setDefault(wanted));
  },
  "GET /v1/dns": async ({ response, target }) => sendJson(response, 200, target.dns.status()),
  "POST /v1/dns/query": async ({ request, response, target }) => {
    sendJson(response, 200, await target.dns.query(parseWith(dnsQueryRequestSchema, await readJson(request))));
  },
  "GET /v1/exit": async ({ response, target }) => sendJson(response, 200, target.exits()),
  "POST /v1/exit/offer": async ({ request, response, target }) => {
    const { offer } = parseWith(exitOfferRequestSchema, await readJson(request));
    sendJson(response, 200, await target.offerExit(offer));
  },
  "POST /v1/exit/use": async ({ request, response, target }) => {
    sendJson(response, 200, await target.useExit(parseWith(exitUseRequestSchema, await readJson(request))));
  },
  "POST /v1/exit/confirm": async ({ response, target }) => sendJson(response, 200, await target.confirmExit()),
  "POST /v1/exit/check": async ({ response, target }) => sendJson(response, 200, await target.checkExit()),
  "GET /v1/routes": async ({ response, target }) => sendJson(response, 200, target.routes()),
  "GET /v1/host": async ({ response, target }) => sendJson(response, 200, await target.hostChanges()),
  "POST /v1/explain": async ({ request, response, target }) => {
    sendJson(response, 200, await target.explain(parseWith(explainRequestSchema, await readJson(request))));
  },
  "POST /v1/keys/rotate": async ({ response, target }) => {
    sendJson(response, 200, await target.rotateKeys());
  },
  "POST /v1/peers/accept": async ({ request, response, target }) => {
    const { name } = parseWith(peerAcceptSchema, await readJson(request));
    sendJson(response, 200, await target.acceptPeer(name));
  },
};

/** HTTP on a Unix socket that only root and the daemon's owner can connect to. Contract: `src/api/local.ts`. */
export class LocalApi implements AsyncDisposable {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @throws MeshError `already-running` where a live process serves the socket */
  static async open(path: string, target: LocalApiTarget, deps: { readonly logger: Logger }): Promise<LocalApi> {
    const server = createServer((request, response) => {
      void handle({ request, response, target }, deps.logger);
    });
    if (!(await listenOnUnixSocket(server, path, deps.logger))) {
      throw new MeshError("already-running", `another daemon serves ${path}`);
    }
    return new LocalApi(server);
  }

  /** Lets answers under way end, and hangs up on watchers. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeIdleConnections();
      setTimeout(() => this.#server.closeAllConnections(), 200).unref();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function handle(exchange: Exchange, logger: Logger): Promise<void> {
  const { request, response } = exchange;
  // One answer a connection: nothing then keeps the server from closing.
  response.setHeader("connection", "close");
  try {
    const path = (request.url ?? "").split("?")[0] ?? "";
    const route = `${request.method} ${path}`;
    const ours = Object.hasOwn(ROUTES, route) ? ROUTES[route] : undefined;
    const handler = path.startsWith("/v1/admin/") ? passToCoordinator : ours;
    if (handler === undefined) throw new MeshError("not-found", `there is no ${route}`);
    await handler(exchange);
  } catch (thrown) {
    const error = asMeshError(thrown);
    if (error.code === "internal") logger.error({ err: thrown }, "a request to the local API failed");
    if (response.headersSent) response.end(`${JSON.stringify(error.toBody())}\n`);
    else sendJson(response, ERROR_CODES[error.code].http, error.toBody());
  }
}

async function watchStatus({ response, target }: Exchange): Promise<void> {
  startLines(response);
  let last = "";
  const send = () => {
    const line = JSON.stringify(target.status());
    if (line === last || response.writableNeedDrain) return;
    last = line;
    response.write(`${line}\n`);
  };
  send();
  const stop = target.onChange(send);
  await new Promise<void>((resolve) => response.once("close", resolve));
  stop();
}

async function pingPeer({ request, response, target }: Exchange): Promise<void> {
  const parsed = parseWith(pingRequestSchema, await readJson(request));
  const hungUp = hangUp(response);
  for await (const reply of target.ping(parsed, hungUp)) {
    if (hungUp.aborted) return;
    if (!response.headersSent) startLines(response);
    response.write(`${JSON.stringify(reply)}\n`);
  }
  response.end();
}

/** Which routes there are, and what they take, is the coordinator's to know. */
async function passToCoordinator({ request, response, target }: Exchange): Promise<void> {
  const { method, url: path = "" } = request;
  if (method !== "GET" && method !== "POST" && method !== "DELETE") {
    throw new MeshError("method-not-allowed", `nothing of the coordinator's answers to ${method}`);
  }
  const body = await readText(request);
  sendJson(response, 200, await target.admin({ method, path, body: body === "" ? undefined : body }));
}

/** Aborted when the caller hangs up, or has got all of its answer. */
function hangUp(response: ServerResponse): AbortSignal {
  const hungUp = new AbortController();
  response.once("close", () => hungUp.abort());
  return hungUp.signal;
}

function startLines(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
  response.flushHeaders();
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
  response.end(text);
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const text = await readText(request);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MeshError("bad-request", "the body is no JSON", { cause });
  }
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request) {
    if (!(chunk instanceof Buffer)) throw new TypeError("a body must be read as bytes");
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_BODY_BYTES) throw new MeshError("bad-request", "the body is too long");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseWith<Schema extends z.ZodType>(schema: Schema, fields: unknown): z.output<Schema> {
  const parsed = schema.safeParse(fields);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new MeshError(
    "bad-request",
    `${issue?.path.join(".") || "the body"}: ${issue?.message ?? "has a wrong shape"}`,
  );
}
