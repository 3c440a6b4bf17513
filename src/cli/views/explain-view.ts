import type { ExplainStep, Explanation } from "../../api/explain.ts";
import { paint } from "../output.ts";
import { renderTable } from "./table.ts";

const STYLES = { delivered: "green", blocked: "red", unreachable: "red" } as const;

/** `mesh explain`, for people: the verdict, then every layer. */
export function renderExplanation(explanation: Explanation): string {
  const { verdict, by, reason, source, destination, protocol, port, steps } = explanation;
  const service = port === null ? protocol : `port ${port}/${protocol}`;
  const connection = `${endText(source)} → ${endText(destination)}, ${service}`;
  const word = paint(by === null ? verdict : `${verdict} by ${by}`, STYLES[verdict]);
  return `${connection}: ${word}\n${reason}\n\n${renderTable(COLUMNS, steps)}`;
}

function endText({ name, address }: Explanation["source"]): string {
  if (name === null) return address ?? "?";
  return address === null ? name : `${name} (${address})`;
}

const COLUMNS = [
  { title: "", cell: ({ ok, known }: ExplainStep) => (known ? (ok ? "ok" : "no") : "?") },
  { title: "AT", cell: ({ end }: ExplainStep) => end },
  { title: "LAYER", cell: ({ layer }: ExplainStep) => layer },
  { title: "WHAT IT SAYS", cell: ({ detail }: ExplainStep) => detail },
] as const;
