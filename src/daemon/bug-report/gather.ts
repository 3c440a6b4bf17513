import { asMeshError, MeshError } from "../../base/errors.ts";

/** Longer than a `netcheck` waits for what is silent. */
const SECTION_LIMIT_MS = 10_000;

/** What each section of a report is made of; `signal` is aborted when nobody waits for it any more. */
export type Sections = Readonly<Record<string, (signal: AbortSignal) => unknown>>;

/** All of them, side by side. One that fails, or takes too long, says so in its place: the others are there all the same. */
export async function gather(
  sections: Sections,
  signal: AbortSignal,
  limitMs = SECTION_LIMIT_MS,
): Promise<Record<string, unknown>> {
  const until = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
  const late = new Promise<never>((_, reject) => {
    const giveUp = () => reject(new MeshError("timeout", "it took too long"));
    until.addEventListener("abort", giveUp, { once: true });
  });
  const gathered = Object.entries(sections).map(async ([name, read]) => {
    const value = await Promise.race([(async () => read(until))(), late]).catch((thrown: unknown) => {
      const { code, message } = asMeshError(thrown);
      return { error: { code, message } };
    });
    return [name, value] as const;
  });
  return Object.fromEntries(await Promise.all(gathered));
}
