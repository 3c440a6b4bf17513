import { MeshError } from "../base/errors.ts";

/** A parser for commander that takes whole numbers from `min` to `max`. */
export function integerOption(flag: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d{1,12}$/.test(text) || value < min || value > max) {
      throw new MeshError("bad-usage", `${flag} is a number from ${min} to ${max}, not ${JSON.stringify(text)}`);
    }
    return value;
  };
}

/** Collects an option that may be given several times. */
export function collect(value: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), value];
}
