import { type FilterProtocol, filterProtocolSchema, type PortRange, parsePorts } from "../../api/filter-rule.ts";
import { nameSchema } from "../../api/primitives.ts";
import type { BadLine } from "../../base/bad-lines.ts";

/** Whom an assertion speaks of. Without a kind, the name is that of one peer, CIDR or tag. */
export interface Subject {
  readonly kind: "any" | "peer" | "cidr" | "tag" | undefined;
  readonly name: string;
}

/** `accept humans -> db:5432/tcp`. */
export interface Assertion {
  /** From 1. */
  readonly line: number;
  readonly text: string;
  readonly verdict: "accept" | "deny";
  readonly from: Subject;
  readonly to: Subject;
  /** Null for any. */
  readonly ports: readonly PortRange[] | null;
  readonly protocol: FilterProtocol;
}

/** One assertion a line; empty lines and what follows a `#` are left aside. */
export function parseAssertions(text: string): { readonly assertions: Assertion[]; readonly bad: BadLine[] } {
  const assertions: Assertion[] = [];
  const bad: BadLine[] = [];
  for (const [index, whole] of text.split(/\r?\n/).entries()) {
    const words = whole.replace(/#.*$/s, "").trim();
    if (words === "") continue;
    const parsed = parseLine(words);
    if (typeof parsed === "string") bad.push({ line: index + 1, problem: parsed });
    else assertions.push({ line: index + 1, text: words.replace(/\s+/g, " "), ...parsed });
  }
  return { assertions, bad };
}

/** What is wrong with it, where it is none. */
function parseLine(words: string): Omit<Assertion, "line" | "text"> | string {
  const [, verdict, source = "", target = ""] = /^(\S+)\s+(\S+)\s*->\s*(\S+)$/.exec(words) ?? [];
  if (verdict !== "accept" && verdict !== "deny") return "say `accept FROM -> TO:PORT/PROTOCOL` or `deny …`";
  const from = parseSubject(source);
  if (from === undefined) return `${quoted(source)} is no peer, CIDR or tag`;
  const [, whom = "", portsText, protocolText] =
    /^((?:(?:peer|cidr|tag):)?[^:/]*)(?::([^/]*))?(?:\/(.*))?$/s.exec(target) ?? [];
  const to = parseSubject(whom);
  if (to === undefined) return `${quoted(whom)} is no peer, CIDR or tag`;
  const ports = parsePorts(portsText ?? "any");
  if (ports === undefined) return `${quoted(portsText ?? "")} is no port, range of ports, or any`;
  const protocol = filterProtocolSchema.safeParse(protocolText ?? (ports === null ? "any" : "tcp,udp"));
  if (!protocol.success) return `${quoted(protocolText ?? "")} is not tcp, udp, icmp or any`;
  if (ports !== null && (protocol.data === "icmp" || protocol.data === "any")) return "only tcp and udp have ports";
  return { verdict, from, to, ports, protocol: protocol.data };
}

function parseSubject(text: string): Subject | undefined {
  if (text === "any") return { kind: "any", name: text };
  const [, kind, name = ""] = /^(?:(peer|cidr|tag):)?(.*)$/s.exec(text) ?? [];
  return nameSchema.safeParse(name).success ? { kind: kind as Subject["kind"], name } : undefined;
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
