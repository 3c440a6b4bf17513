import type { ExplainedRule, ExplainLayer, ExplainProtocol, ExplainStep, Explanation } from "../../api/explain.ts";

const VERDICT_BY: Readonly<Record<ExplainLayer, Exclude<Explanation["verdict"], "delivered">>> = {
  dns: "unreachable",
  route: "unreachable",
  session: "unreachable",
  path: "unreachable",
  mtu: "unreachable",
  acl: "blocked",
  filter: "blocked",
  connection: "blocked",
  "host-firewall": "blocked",
  exit: "blocked",
};

export type Where = ExplainStep["end"];
type MaybeEnd = { readonly [Key in "name" | "address"]?: string | undefined };

/** Between whom, as far as these are known. */
export interface Connection {
  readonly source: MaybeEnd;
  readonly destination: MaybeEnd;
  readonly carrier?: string | null;
  readonly protocol: ExplainProtocol;
  readonly port: number | null;
}

export function step(
  layer: ExplainLayer,
  end: Where,
  detail: string,
  ok = true,
  rule: ExplainedRule | null = null,
): ExplainStep {
  return { layer, end, ok, known: true, detail, rule };
}

/** What could not be looked at stops nothing. */
export function unknown(layer: ExplainLayer, end: Where, detail: string): ExplainStep {
  return { ...step(layer, end, detail), known: false };
}

/** The first step that stops it gives the verdict. */
export function conclude(connection: Connection, steps: readonly ExplainStep[]): Explanation {
  const { source, destination, carrier = null, protocol, port } = connection;
  const stopped = steps.find(({ ok }) => !ok);
  // A path that was just chosen has not been measured; that stops nothing.
  const unknowns = steps.filter(({ known, layer }) => !known && layer !== "mtu");
  const named = ({ name, address }: MaybeEnd) => ({ name: name ?? null, address: address ?? null });
  const passed = ["every layer lets it pass", ...unknowns.map(({ detail }) => detail)].join("; ");
  return {
    verdict: stopped === undefined ? "delivered" : VERDICT_BY[stopped.layer],
    by: stopped?.layer ?? null,
    reason: stopped === undefined ? passed : stopped.detail,
    source: named(source),
    destination: named(destination),
    carrier,
    protocol,
    port,
    steps: [...steps],
  };
}
