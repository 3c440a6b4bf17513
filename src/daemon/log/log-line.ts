const LEVEL_NAMES: ReadonlyMap<unknown, string> = new Map([
  [20, "debug"],
  [30, "info"],
  [40, "warn"],
  [50, "error"],
]);

/** `2026-01-31T12:00:00.000Z warn  message key=value` for one JSON line of the log. */
export function prettyLogLine(line: string): string {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line);
  } catch {
    return line.trimEnd();
  }
  const { level, time, msg, subsystem, ...rest } = fields;
  // Such as what a crash says last.
  if (level === undefined && time === undefined && Object.keys(rest).length === 0) return String(msg ?? "");
  const named = subsystem === undefined ? rest : { ...rest, subsystem };
  const extra = Object.entries(named).map(([key, value]) => ` ${key}=${renderValue(value)}`);
  const levelName = LEVEL_NAMES.get(level) ?? String(level);
  return `${String(time)} ${levelName.padEnd(5)} ${String(msg ?? "")}${extra.join("")}`;
}

function renderValue(value: unknown): string {
  if (typeof value === "string") return /[\s"=]/.test(value) || value === "" ? JSON.stringify(value) : value;
  if (typeof value === "object" && value !== null && "stack" in value) return JSON.stringify(value.stack);
  return JSON.stringify(value) ?? String(value);
}
