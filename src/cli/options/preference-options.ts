import { type PeerPreference, writtenPreferenceSchema } from "../../api/path-preference.ts";
import { MeshError } from "../../base/errors.ts";
import { transportOf, transportsOption } from "./option-parsers.ts";

/**
 * What `mesh prefer` was asked for; undefined for nothing at all.
 * @throws MeshError `bad-transport`, `bad-usage`
 */
export function parsePreference(
  word: string | undefined,
  flags: {
    readonly exclude?: readonly string[];
    readonly only?: readonly string[];
    readonly unset?: boolean;
  },
): PeerPreference | "unset" | undefined {
  const { exclude, only, unset } = flags;
  const isEmpty = word === undefined && exclude === undefined && only === undefined;
  if (unset === true) {
    if (isEmpty) return "unset";
    throw new MeshError("bad-usage", "--unset takes everything back, and goes with nothing else");
  }
  if (isEmpty) return undefined;
  const parsed = writtenPreferenceSchema.safeParse({
    prefer: word === undefined || word.toLowerCase() === "auto" ? "auto" : transportOf(word, "prefer"),
    ...(exclude === undefined ? {} : { exclude: transportsOption("--exclude")(exclude.join(",")) }),
    ...(only === undefined ? {} : { only: transportsOption("--only")(only.join(",")) }),
  });
  if (parsed.success) return parsed.data;
  throw new MeshError("bad-usage", parsed.error.issues[0]?.message ?? "a wrong value");
}
