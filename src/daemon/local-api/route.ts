import type { z } from "zod";
import { MeshError } from "../../base/errors.ts";
import type { Access } from "./access.ts";
import { type Exchange, readJson, sendJson } from "./exchange.ts";
import type { LocalApiTarget } from "./target.ts";

export interface Route {
  readonly access: Access;
  readonly handle: (exchange: Exchange) => Promise<void>;
}

/** By method and path. */
export type Routes = Readonly<Record<string, Route>>;

/** A route whose request has nothing to say. */
export function answers(access: Access, answer: (target: LocalApiTarget) => object | Promise<object>): Route {
  return { access, handle: async ({ response, target }) => sendJson(response, 200, await answer(target)) };
}

/** A route whose request is JSON of this shape. */
export function takes<Schema extends z.ZodType>(
  access: Access,
  schema: Schema,
  answer: (target: LocalApiTarget, request: z.output<Schema>) => object | Promise<object>,
): Route {
  return {
    access,
    handle: async ({ request, response, target }) => {
      sendJson(response, 200, await answer(target, parseWith(schema, await readJson(request))));
    },
  };
}

/** @throws MeshError `bad-request` naming the first field that is wrong */
export function parseWith<Schema extends z.ZodType>(schema: Schema, fields: unknown): z.output<Schema> {
  const parsed = schema.safeParse(fields);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new MeshError(
    "bad-request",
    `${issue?.path.join(".") || "the body"}: ${issue?.message ?? "has a wrong shape"}`,
  );
}
