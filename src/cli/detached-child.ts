import type { ErrorBody } from "../base/errors.ts";
import type { ProgressEvent } from "../daemon/peer-plan.ts";

/** Set for the process that runs in the background; it then has a channel to the one that started it. */
export const DETACHED_VARIABLE = "MESH_DETACHED_CHILD";

/** What the background process tells its starter; an error is the last word. */
export type ChildMessage = ProgressEvent | ({ readonly event: "failed" } & ErrorBody);

export function isDetachedChild(): boolean {
  return process.env[DETACHED_VARIABLE] === "1" && process.send !== undefined;
}

/** A starter that has gone away in the meantime is no reason to fail. */
export function announceToParent(message: ChildMessage): void {
  if (process.connected) process.send?.(message, () => {});
}
