import { z } from "zod";
import { TRANSPORT_NAMES, transportsInWords } from "../base/transports.ts";

/** What users say of paths: which transports may be used, and which one rather than another. */

export const transportNameSchema = z.enum(TRANSPORT_NAMES, `a transport: ${transportsInWords("or")}`);

const transportsSchema = z
  .array(transportNameSchema, "a list such as [udp, relay]")
  .refine((names) => new Set(names).size === names.length, "each transport once");

/** What may be used at all, best first. */
export const transportOrderSchema = transportsSchema.min(1, "one transport at least");

const LEAVES_NONE = `something must be left: not all of ${transportsInWords("and")} can be excluded`;
const PREFERS_EXCLUDED = "what is preferred must not be excluded";

/** What was asked for one peer, as it is stored and told. `prefer` null: no transport before the others. */
export const peerPreferenceSchema = z
  .strictObject({ prefer: transportNameSchema.nullable(), exclude: transportsSchema })
  .refine(({ exclude }) => exclude.length < TRANSPORT_NAMES.length, { error: LEAVES_NONE, path: ["exclude"] })
  .refine(({ prefer, exclude }) => prefer === null || !exclude.includes(prefer), {
    error: PREFERS_EXCLUDED,
    path: ["prefer"],
  });
export type PeerPreference = z.output<typeof peerPreferenceSchema>;

/** As people write it: `{prefer: relay}`, `{exclude: [udp]}`, `{only: [udp, relay]}`; `auto` prefers none. */
export const writtenPreferenceSchema = z
  .strictObject({
    prefer: z.enum([...TRANSPORT_NAMES, "auto"], transportsInWords("or", "auto")).optional(),
    exclude: transportsSchema.optional(),
    only: transportOrderSchema.optional(),
  })
  .refine(({ exclude, only }) => exclude === undefined || only === undefined, {
    error: "only and exclude say the same in two ways: give one of them",
    path: ["only"],
  })
  .transform(({ prefer = "auto", exclude, only }) => ({
    prefer: prefer === "auto" ? null : prefer,
    exclude: exclude ?? (only === undefined ? [] : TRANSPORT_NAMES.filter((name) => !only.includes(name))),
  }))
  .pipe(peerPreferenceSchema);
