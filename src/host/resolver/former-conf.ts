import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../../base/errors.ts";
import { parseAddress } from "../../packet/address.ts";
import { formerOfMarked, networkOfMarked } from "./marked-conf.ts";

export interface ResolverFiles {
  readonly resolvConf: string;
  /** systemd-resolved's own file with the servers that it asks, ours among them. */
  readonly resolvedUplinks: string;
  /** Where resolvconf(8) keeps what it was told, a file for each interface. */
  readonly resolvconfRecords: readonly string[];
}

export const SYSTEM_RESOLVER_FILES: ResolverFiles = {
  resolvConf: "/etc/resolv.conf",
  resolvedUplinks: "/run/systemd/resolve/resolv.conf",
  // openresolv before and since 3.13, then Debian's.
  resolvconfRecords: ["/run/resolvconf/interfaces", "/run/resolvconf/keys", "/run/resolvconf/interface"],
};

/** The addresses of this host on which daemons of ours answer. 127.0.0.53 and .54 are systemd-resolved's, lower ones others'. */
export const LISTENER_OCTETS = { first: 64, last: 253 } as const;

/** The stub of systemd-resolved (systemd-resolved.service(8)). */
const STUBS = ["127.0.0.53", "127.0.0.54"];

/**
 * What resolv.conf(5) would say without us, and so whom to ask without asking ourselves. Empty where there is none.
 */
export async function readFormerConf(files: ResolverFiles = SYSTEM_RESOLVER_FILES): Promise<string> {
  const text = await readIfThere(files.resolvConf);
  if (networkOfMarked(text) !== undefined) {
    const former = formerOfMarked(text);
    return "text" in former ? former.text : readIfThere(former.file);
  }
  const servers = serversIn(text);
  if (servers.length === 0) return text;
  if (servers.every((server) => STUBS.includes(server))) {
    const uplinks = withoutListeners(await readIfThere(files.resolvedUplinks));
    return serversIn(uplinks).length > 0 ? uplinks : text;
  }
  if (!servers.every(isListener)) return text;
  const records = await Promise.all(files.resolvconfRecords.map(readRecords));
  return withoutListeners([text, ...records.flat()].join("\n"));
}

export function serversIn(text: string): string[] {
  return [...text.matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)].map(([, server]) => server!);
}

function withoutListeners(text: string): string {
  return text
    .split("\n")
    .filter((line) => !serversIn(line).some(isListener))
    .join("\n");
}

function isListener(server: string): boolean {
  if (!server.startsWith("127.0.0.")) return false;
  const last = parseAddress(server)[3]!;
  return last >= LISTENER_OCTETS.first && last <= LISTENER_OCTETS.last;
}

async function readRecords(directory: string): Promise<string[]> {
  try {
    const names = await readdir(directory);
    return await Promise.all(names.sort().map((name) => readIfThere(join(directory, name))));
  } catch (failure) {
    if (errnoOf(failure) === "ENOENT") return [];
    throw failure;
  }
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, "latin1");
  } catch (failure) {
    const errno = errnoOf(failure);
    if (errno === "ENOENT" || errno === "ENOTDIR" || errno === "EISDIR") return "";
    throw failure;
  }
}
