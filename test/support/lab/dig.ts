import type { LabHost } from "./lab-host.ts";

export interface Dug {
  /** `NOERROR`, `NXDOMAIN`, … */
  readonly status: string;
  readonly flags: readonly string[];
  /** `alice.mesh. A 10.86.0.2`. */
  readonly answers: readonly string[];
  readonly authorities: readonly string[];
  readonly text: string;
}

/** `dig` with these arguments on a host: it must get some reply. */
export async function dig(host: LabHost, server: string, ...args: readonly string[]): Promise<Dug> {
  const text = await host.must("dig", `@${server}`, "+tries=1", "+time=6", ...args);
  const section = (name: string) => {
    const [, lines = ""] = new RegExp(`;; ${name} SECTION:\\n((?:[^;\\n].*\\n)*)`).exec(text) ?? [];
    return lines
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => line.replace(/^(\S+)\s+\d+\s+IN\s+(\S+)\s+/, "$1 $2 "));
  };
  return {
    status: /status: (\w+)/.exec(text)?.[1] ?? "",
    flags: (/;; flags: ([\w ]*);/.exec(text)?.[1] ?? "").split(" "),
    answers: section("ANSWER"),
    authorities: section("AUTHORITY"),
    text,
  };
}
