import { MeshError } from "./errors.ts";

const SECONDS_PER_UNIT: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** `90s`, `15m`, `12h`, `14d` or `2w` in seconds. @throws MeshError `bad-duration` */
export function parseDurationSeconds(text: string): number {
  const match = /^([1-9]\d{0,8})([smhdw])$/.exec(text.trim());
  const factor = SECONDS_PER_UNIT[match?.[2] ?? ""];
  if (match === null || factor === undefined) {
    throw new MeshError("bad-duration", `${JSON.stringify(text)} is no duration`);
  }
  return Number(match[1]) * factor;
}
