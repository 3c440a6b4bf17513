import type { DaemonState } from "../api/local.ts";

/** What the state follows from. Nothing else decides it, and it is stored nowhere. */
export interface StateFacts {
  /** `keys`: there are keys, but no coordinator knows them (any more). */
  readonly membership: "none" | "keys" | "enrolled";
  /** What the user last asked for. */
  readonly intent: Intent;
  /** The tunnel and the host changes that belong to it. */
  readonly engine: "off" | "starting" | "up";
}

export type Intent = "up" | "down";

/**
 *     no-state ──join──▸ needs-join ──registered──▸ stopped ◂──down── starting ──engine up──▸ running
 *         ▴                                            └────────up───────▴                       │
 *         └────leave────────────────────────────── stopped ◂────────────────────────────down─────┘
 */
export function deriveState({ membership, intent, engine }: StateFacts): DaemonState {
  if (membership === "none") return "no-state";
  if (membership === "keys") return "needs-join";
  if (intent === "down" || engine === "off") return "stopped";
  return engine === "starting" ? "starting" : "running";
}
