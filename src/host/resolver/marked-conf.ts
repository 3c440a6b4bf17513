import type { FileState } from "../changes/file-change.ts";

// A resolv.conf(5) of ours:
//
//     # Made by mesh for the network NAME; what was here comes back with `mesh down` or `mesh undo`.
//     # former: nameserver 192.0.2.53          each line of the file that was here, or
//     # former file: /run/x/resolv.conf        where the link that was here leads
//     nameserver 127.0.0.86
//     search lan mesh
const MARK = /^# Made by mesh for the network (\S+);/;
const FORMER = "# former: ";
const FORMER_FILE = "# former file: ";

export interface MarkedConfOptions {
  readonly network: string;
  readonly servers: readonly string[];
  /** The last of the search domains. */
  readonly domain: string;
  /** What is there without us: where a link leads, or the text that our file has to keep. */
  readonly former: { readonly file: string; readonly text: string } | { readonly text: string };
}

export function markedConf({ network, servers, domain, former }: MarkedConfOptions): string {
  const lines = former.text.split("\n").filter((line) => line.trim() !== "");
  const words = (key: string) => lines.filter((line) => new RegExp(`^\\s*${key}\\s`).test(line));
  const search = words("(?:search|domain)").at(-1)?.trim().split(/\s+/).slice(1) ?? [];
  return [
    `# Made by mesh for the network ${network}; what was here comes back with \`mesh down\` or \`mesh undo\`.`,
    ...("file" in former ? [`${FORMER_FILE}${former.file}`] : lines.map((line) => `${FORMER}${line}`)),
    ...servers.map((server) => `nameserver ${server}`),
    `search ${[...search.filter((each) => each !== domain), domain].join(" ")}`,
    ...words("options"),
    "",
  ].join("\n");
}

/** Whose it is; undefined for one that is not ours. */
export function networkOfMarked(text: string): string | undefined {
  return MARK.exec(text)?.[1];
}

/** What a file of ours says of what was there. */
export function formerOfMarked(text: string): { readonly file: string } | { readonly text: string } {
  const lines = text.split("\n");
  const file = lines.find((line) => line.startsWith(FORMER_FILE));
  if (file !== undefined) return { file: file.slice(FORMER_FILE.length) };
  const former = lines.filter((line) => line.startsWith(FORMER)).map((line) => line.slice(FORMER.length));
  return { text: former.length === 0 ? "" : `${former.join("\n")}\n` };
}

/** The state that stood there before, as far as a file of ours tells: for one whose journal is lost. */
export function stateBeforeMarked(text: string): FileState {
  const former = formerOfMarked(text);
  if ("file" in former) return { is: "link", target: former.file };
  return { is: "file", text: former.text, mode: 0o644, uid: 0, gid: 0 };
}
