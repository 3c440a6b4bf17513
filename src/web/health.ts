import { MeshError } from "../base/errors.ts";

/** What is missing before this process can do its work; undefined when nothing is. */
export type Readiness = () => string | undefined | Promise<string | undefined>;

/** The answers of `/healthz` (the process lives) and `/readyz` (it can do its work). */
export const HEALTHY = { status: "ok" } as const;

/** @throws MeshError `not-ready` */
export async function requireReady(readiness: Readiness): Promise<{ readonly status: "ready" }> {
  const missing = await readiness();
  if (missing !== undefined) throw new MeshError("not-ready", missing);
  return { status: "ready" };
}
