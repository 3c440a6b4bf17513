import { readFile, stat } from "node:fs/promises";
import { errnoOf } from "../../base/errors.ts";
import { type HostChange, MAIN_TABLE, type OwnedChange } from "../../host/changes/host-change.ts";
import { type CommandRunner, systemCommandRunner } from "../../host/command.ts";
import { type Sysctls, systemSysctls } from "../../host/sysctl.ts";

/** A full routing table of a router is not what is looked for. */
const MAX_LINES = 300;

const SYSCTLS = [
  "net.ipv4.ip_forward",
  "net.ipv4.conf.all.rp_filter",
  "net.ipv4.conf.default.rp_filter",
  "net.ipv4.conf.all.src_valid_mark",
  "net.ipv6.conf.all.disable_ipv6",
  "net.ipv6.conf.default.disable_ipv6",
  "net.ipv6.conf.all.forwarding",
  "net.core.rmem_max",
  "net.core.wmem_max",
];

/** What a person would type who wants to see how this host is connected; no hardware addresses. */
const COMMANDS = [
  "ip -brief address",
  "ip -4 rule",
  "ip -6 rule",
  "ip -4 route show table main",
  "ip -6 route show table main",
  "nft list tables",
];

/**
 * How the host stands: kernel settings, name resolution, addresses, rules and routes, and of nftables our own tables, with the
 * names of the others.
 * @param changes those that mesh has made
 */
export async function hostFacts(
  changes: readonly OwnedChange[],
  { run = systemCommandRunner, sysctls = systemSysctls }: { run?: CommandRunner; sysctls?: Sysctls } = {},
) {
  const ofOurs = new Set(changes.flatMap(({ change }) => commandShowing(change)));
  const said = [...COMMANDS, ...ofOurs].map(async (line) => [line, await linesOf(line, run)] as const);
  const settings = SYSCTLS.map(async (key) => [key, (await sysctls.read(key)) ?? null] as const);
  return {
    tunDevice: await isThere("/dev/net/tun"),
    resolvConf: await readLines("/etc/resolv.conf"),
    sysctls: Object.fromEntries(await Promise.all(settings)),
    commands: Object.fromEntries(await Promise.all(said)),
  };
}

/** What lists a table of ours with this in it. */
function commandShowing(change: HostChange): string[] {
  if (change.kind === "nft-table") return [`nft list table ${change.family} ${change.name}`];
  if (change.kind !== "route" || change.table === MAIN_TABLE) return [];
  return [`ip ${change.destination.includes(":") ? "-6" : "-4"} route show table ${change.table}`];
}

/** What a command says, or why it says nothing. */
async function linesOf(commandLine: string, run: CommandRunner): Promise<string[]> {
  const [program = "", ...args] = commandLine.split(" ");
  try {
    const { status, stdout, stderr } = await run(program, args);
    const lines = linesIn(status === 0 ? stdout : `${stdout}${stderr}(status ${status})`);
    const more = lines.length - MAX_LINES;
    return more <= 0 ? lines : [...lines.slice(0, MAX_LINES), `… ${more} lines more`];
  } catch (failure) {
    return [`(${program}: ${errnoOf(failure) ?? failure})`];
  }
}

async function readLines(path: string): Promise<string[]> {
  try {
    return linesIn(await readFile(path, "utf8")).slice(0, MAX_LINES);
  } catch (failure) {
    return [`(${errnoOf(failure) ?? failure})`];
  }
}

function linesIn(text: string): string[] {
  return text.split("\n").filter((line) => line.trim() !== "");
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
