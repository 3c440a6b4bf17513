import type { ErrorBody } from "../../base/errors.ts";
import type { ProgressEvent } from "../../daemon/peer-plan.ts";

/** Set for a daemon that another `mesh` has started, and that has a channel to it: its `ChildKind`. */
export const CHILD_VARIABLE = "MESH_CHILD";

/**
 * `detached`: started by `--detach`, and on its own from then on. `member`: of the coordinator's host; `mesh serve --join`
 * looks after it, as a service manager does, and it ends with it.
 */
export type ChildKind = "detached" | "member";

/** What such a daemon tells its starter; an error is the last word. */
export type ChildMessage = ProgressEvent | ({ readonly event: "failed" } & ErrorBody);

/** Undefined for a process that nobody waits for. */
export function childKind(): ChildKind | undefined {
  const kind = process.env[CHILD_VARIABLE];
  return process.send !== undefined && (kind === "detached" || kind === "member") ? kind : undefined;
}

/** A starter that has gone away in the meantime is no reason to fail. */
export function announceToParent(message: ChildMessage): void {
  if (process.connected) process.send?.(message, () => {});
}
