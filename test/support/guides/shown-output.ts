/** What differs from run to run, and how a page that shows one of them is to be read: where it has one, any will do. */
const UNSTABLE: readonly (readonly [RegExp, string])[] = [
  [/mesh1_[A-Za-z0-9_-]+…?|mesh1_…/g, "TOKEN"],
  [/\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?/g, "TIME"],
  [/[A-Za-z0-9+/]{43}=/g, "KEY"],
  // The network's own /48 is made at random.
  [/\bfd[0-9a-f]{2}:[0-9a-f]{1,4}:[0-9a-f]{1,4}(?=:)/g, "ULA"],
  [/\b(?:[0-9a-f]{8}|[0-9a-f]{32})\b/g, "ID"],
  [/\b\d+(\.\d+)? (ns|µs|ms|s|min|h|B|KiB|MiB|GiB)\b/g, "N $2"],
];

/** One blank for several: columns are as wide as their longest word. */
function stable(line: string): string {
  const masked = UNSTABLE.reduce((text, [pattern, name]) => text.replace(pattern, name), line);
  return masked.replace(/[\s─-]+/g, (gap) => (/\s/.test(gap) ? " " : gap)).trim();
}

/**
 * Whether a page tells the truth about what a command prints.
 * @param shown lines of the page; `…` stands for any text, alone on a line for any lines
 */
export function isShownTruly(shown: readonly string[], printed: string): boolean {
  const lines = printed.trimEnd().split("\n").map(stable);
  // Line by line, with the places of `printed` that all shown so far may reach up to.
  let ends = new Set([0]);
  for (const line of shown) {
    const next = new Set<number>();
    for (const end of ends) {
      if (line.trim() === "…") for (let at = end; at <= lines.length; at++) next.add(at);
      else if (end < lines.length && patternOf(line).test(lines[end]!)) next.add(end + 1);
    }
    ends = next;
  }
  return ends.has(lines.length);
}

function patternOf(line: string): RegExp {
  const parts = stable(line)
    .split("…")
    .map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`);
}
