import type { StatusPeer } from "../../api/local.ts";
import { paint } from "../output.ts";
import { formatRtt } from "./format.ts";
import { renderPreference } from "./preference-view.ts";
import { renderTable } from "./table.ts";

type Path = StatusPeer["paths"][number];
type Attempt = StatusPeer["attempts"][number];
type Candidate = Attempt["candidates"][number];

/** `mesh paths` for people: every path to the peer and how it stands, and the receipt of the latest race of each kind. */
export function renderPaths(peer: StatusPeer): string {
  const { path, paths, attempts, preference } = peer;
  const head = path === null ? "no path" : `${path.transport} ${path.endpoint}: ${path.reason}`;
  const asked = preference === null ? "" : `\nasked for: ${renderPreference(preference)}`;
  const blocks = [`${paint(peer.name, "bold")}  ${head}${asked}`];
  if (paths.length > 0) blocks.push(pathTable(peer));
  const latest = new Map(attempts.map((attempt) => [attempt.cause, attempt]));
  for (const attempt of latest.values()) blocks.push(`${attemptHead(attempt)}\n${attemptTable(attempt)}`);
  return blocks.join("\n\n");
}

function pathTable({ path, paths }: StatusPeer): string {
  const isCurrent = ({ transport, endpoint }: Path) => path?.transport === transport && path.endpoint === endpoint;
  return renderTable<Path>(
    [
      { title: "", cell: (each) => (isCurrent(each) ? "→" : " ") },
      { title: "TRANSPORT", cell: ({ transport }) => transport },
      { title: "ENDPOINT", cell: ({ endpoint }) => endpoint || "-" },
      { title: "RTT", cell: ({ rttMs }) => (rttMs === null ? "-" : formatRtt(rttMs)), align: "right" },
      { title: "MTU", cell: ({ mtu }) => (mtu === null ? "-" : String(mtu)), align: "right" },
      { title: "USABLE", cell: ({ usable }) => (usable ? paint("yes", "green") : "no") },
      { title: "STATE", cell: ({ detail }) => detail },
    ],
    paths,
  );
}

function attemptHead({ cause, startedAt, endedAt }: Attempt): string {
  return `last race, ${startedAt}: ${cause}${endedAt === null ? " (still running)" : ""}`;
}

function attemptTable({ startedAt, candidates }: Attempt): string {
  const after = (instant: string | null) =>
    instant === null ? "-" : `+${Math.max(0, Math.round(Date.parse(instant) - Date.parse(startedAt)))} ms`;
  return renderTable<Candidate>(
    [
      { title: "", cell: ({ won }) => (won ? "→" : " ") },
      { title: "CANDIDATE", cell: ({ transport, endpoint }) => `${transport} ${endpoint}` },
      { title: "TRIED", cell: ({ triedAt }) => after(triedAt), align: "right" },
      { title: "ANSWERED", cell: ({ answeredAt }) => after(answeredAt), align: "right" },
      { title: "OUTCOME", cell: ({ outcome }) => outcome },
    ],
    candidates,
  );
}
