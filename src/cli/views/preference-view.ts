import type { ActivePreference, Preferences } from "../../api/local.ts";
import { renderTable } from "./table.ts";

const FROM = { command: "mesh prefer", configuration: "configuration file" } as const;

/** In words: `relay first, never udp (mesh prefer)`. */
export function renderPreference(preference: ActivePreference | null): string {
  if (preference === null) return "auto";
  const { prefer, exclude, from } = preference;
  const words = [
    ...(prefer === null ? [] : [`${prefer} first`]),
    ...(exclude.length === 0 ? [] : [`never ${exclude.join(" or ")}`]),
  ];
  return `${words.join(", ") || "auto"} (${FROM[from]})`;
}

/** `mesh prefer` without a peer, for people. */
export function renderPreferences({ transports, peers }: Preferences): string {
  const general = `this machine uses ${transports.join(", then ")}`;
  if (peers.length === 0) return `${general}; nothing else is asked for any peer`;
  const table = renderTable(
    [
      { title: "PEER", cell: ({ peer }) => peer },
      { title: "PATHS", cell: ({ preference }) => renderPreference(preference) },
    ],
    peers,
  );
  return `${general}\n\n${table}`;
}
