import type { PolicyReport, PolicyResult, PolicyViolation } from "../../api/policy-test.ts";

/** `mesh policy test`, for people: a line for each assertion, and why one does not hold. */
export function renderPolicyReport({ policy, assertions }: PolicyReport): string {
  const failed = assertions.filter(({ holds }) => !holds).length;
  const total = `${assertions.length - failed} of ${assertions.length} assertions hold${policy === "proposed" ? " in the proposed policy" : ""}`;
  return [...assertions.map(renderResult), total].join("\n");
}

function renderResult({ line, assertion, holds, pairs, violation }: PolicyResult): string {
  const head = `${holds ? "ok  " : "FAIL"} line ${line}: ${assertion}`;
  if (violation === null) return pairs === 0 ? `${head} (nobody is there: it says nothing)` : head;
  return `${head}\n     ${renderViolation(violation)}`;
}

/** `alice -> db-1, tcp 5432 over IPv4: filter rule 1f2e3d4c: deny tcp 5432 from any to any`. */
function renderViolation({ from, to, ipVersion, protocol, port, layer, rule, detail }: PolicyViolation): string {
  const what = port === null ? protocol : `${protocol} ${port}`;
  const by = rule === null ? layer : `${layer} rule ${rule}`;
  return `${from} -> ${to}, ${what} over IPv${ipVersion}: ${by}: ${detail}`;
}
