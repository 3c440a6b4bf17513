import { z } from "zod";

/** The versions of the control protocol that this build speaks, both ends included. */
export const PROTOCOL_VERSIONS = { min: 1, max: 1 } as const;

export const protocolRangeSchema = z.object({ min: z.number().int().min(1), max: z.number().int().min(1) });
export type ProtocolRange = z.infer<typeof protocolRangeSchema>;

export type Negotiation =
  | { readonly ok: true; readonly version: number }
  /** Which end has to be upgraded. */
  | { readonly ok: false; readonly tooOld: "ours" | "theirs" };

/** The highest version that both ends speak. */
export function negotiateProtocol(ours: ProtocolRange, theirs: ProtocolRange): Negotiation {
  const version = Math.min(ours.max, theirs.max);
  if (version < ours.min) return { ok: false, tooOld: "theirs" };
  if (version < theirs.min) return { ok: false, tooOld: "ours" };
  return { ok: true, version };
}
