import type { IncomingMessage } from "node:http";
import { performance } from "node:perf_hooks";
import { Router, type RouterContext } from "@koa/router";
import Koa from "koa";
import type { z } from "zod";
import { ERROR_CODES } from "../../base/error-codes.ts";
import { errnoOf, MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { RequestTimings } from "../metrics/request-timings.ts";
import { type AdminRoute, authorize, type Caller, type PublicRoute } from "./authorize.ts";
import { checkValue, RequestBody } from "./body.ts";

/** What a handler is given of a request. */
export interface Call {
  readonly caller: Caller;
  /** A named part of the path; undefined when the route has none of that name. */
  param(name: string): string | undefined;
  /** What follows the path, checked. @throws MeshError as `body` */
  query<Schema extends z.ZodType>(schema: Schema): z.output<Schema>;
  /** @throws MeshError see `RequestBody.json` */
  body<Schema extends z.ZodType>(schema: Schema): Promise<z.output<Schema>>;
}

/** Answers with a value to be sent as JSON, or with content of a type of its own. */
export type Handler = (call: Call) => object | RawAnswer | Promise<object | RawAnswer>;

export class RawAnswer {
  readonly contentType: string;
  readonly content: string | Buffer;

  constructor(contentType: string, content: string | Buffer) {
    this.contentType = contentType;
    this.content = content;
  }
}

export interface AppOptions<Route extends string> {
  readonly handlers: Record<Route, Handler>;
  /** @param body may be asked for; the handler gets the same */
  callerOf(request: IncomingMessage, body: () => Promise<Uint8Array>): Caller | Promise<Caller>;
  readonly bodyBytes: number;
  readonly timings: RequestTimings;
  readonly logger: Logger;
}

/** An HTTP API of the coordinator: authorised routes, JSON both ways, a typed body for every error. */
export function createApp<Route extends PublicRoute | AdminRoute>(options: AppOptions<Route>): Koa {
  const { handlers, callerOf, bodyBytes, timings, logger } = options;
  const router = new Router();
  const routes = Object.entries<Handler>(handlers) as [Route, Handler][];
  for (const [route, handler] of routes) {
    const [method, path] = route.split(" ") as [string, string];
    router.register(path, [method], async (context: RouterContext) => {
      context.state.route = route;
      const body = new RequestBody(context.req, bodyBytes);
      const caller = await callerOf(context.req, () => body.bytes());
      authorize(caller, route);
      const answer = await handler({
        caller,
        param: (name) => context.params[name],
        query: (schema) => checkValue({ ...context.query }, schema),
        body: (schema) => body.json(schema),
      });
      if (answer instanceof RawAnswer) {
        context.type = answer.contentType;
        context.body = answer.content;
      } else {
        context.body = answer;
      }
    });
  }
  const app = new Koa();
  app.silent = true;
  app.use(async (context, next) => {
    const startedMs = performance.now();
    context.set("X-Content-Type-Options", "nosniff");
    context.set("Cache-Control", "no-store");
    context.set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
    context.set("Referrer-Policy", "no-referrer");
    try {
      await next();
      if (context.status === 404 && context.body == null) throw unanswered(context, router);
    } catch (thrown) {
      const error = publicError(thrown, logger);
      context.status = ERROR_CODES[error.code].http;
      context.body = error.toBody();
      // What is left of a body that was not read must not be taken for the next request.
      if (!context.req.complete) context.set("Connection", "close");
    } finally {
      timings.observe(context.state.route, (performance.now() - startedMs) / 1000);
    }
  });
  app.use(router.routes());
  return app;
}

function unanswered(context: Koa.Context, router: Router): MeshError {
  const methods = router.match(context.path, context.method).path.flatMap((layer) => layer.methods);
  if (methods.length === 0) return new MeshError("not-found", "there is nothing at this path");
  context.set("Allow", [...new Set(methods)].join(", "));
  return new MeshError("method-not-allowed", "this path does not answer to this method");
}

/** Our own errors as they are; anything else goes to the log, and the caller learns no more than that it failed. */
function publicError(thrown: unknown, logger: Logger): MeshError {
  if (thrown instanceof MeshError && thrown.code !== "internal") return thrown;
  const isHangup = errnoOf(thrown) === "ECONNRESET";
  if (isHangup) return new MeshError("bad-request", "the request broke off");
  const isBadPath =
    thrown instanceof URIError || (thrown instanceof Error && "status" in thrown && thrown.status === 400);
  if (isBadPath) return new MeshError("bad-request", "the path is not valid");
  logger.error({ error: thrown }, "a request failed");
  return new MeshError("internal", "the coordinator failed");
}
