import type { Command } from "commander";
import type { FilterEntry, FilterView } from "../../api/local-filter.ts";
import type { NetworkFilterEntry } from "../../api/network-filter.ts";
import { parseDurationSeconds } from "../../base/duration.ts";
import { MeshError } from "../../base/errors.ts";
import type { OpenAdmin } from "../clients/open-admin.ts";
import type { ExitHolder } from "../exit-holder.ts";
import type { RuleFlags } from "../options/filter-options.ts";
import { globalOptions } from "../options/globals.ts";
import { peerGlobals } from "../options/peer-globals.ts";
import { printJson, printLine } from "../output.ts";
import { type ExplainFlags, printExplanation } from "./explain.ts";

/** Handlers load what they need when they run: other commands do not pay for it. */
async function clientOf(command: Command) {
  const options = await peerGlobals(command);
  const { localClient } = await import("../clients/local-client.ts");
  return { client: localClient(options), json: options.json };
}

/** On the coordinator's host there may be no daemon; the rules of the network are known there all the same. */
async function rulesHere(
  command: Command,
  { scope }: ScopeFlag,
  networkRules: (command: Command) => Promise<NetworkFilterEntry[]>,
): Promise<FilterView | NetworkFilterEntry[]> {
  try {
    return await (await clientOf(command)).client.filter();
  } catch (failure) {
    if (scope !== undefined || !(failure instanceof MeshError) || failure.code !== "no-daemon") throw failure;
    return networkRules(command).catch(() => Promise.reject(failure));
  }
}

export function registerFilter(program: Command, exit: ExitHolder, openAdmin: OpenAdmin): void {
  const adminOf = (command: Command) => openAdmin(globalOptions(command));
  const networkRules = async (command: Command) => (await adminOf(command)).listFilterRules();
  const filter = program.command("filter").description("the packet filter of this machine (docs/filter.md)");
  filter
    .command("list")
    .description("list the rules of all layers, with their hits")
    .option(...SCOPE)
    .action(async (flags: ScopeFlag, command: Command) => {
      const { renderFilter, renderNetworkFilter } = await import("../views/filter-view.ts");
      const { json } = globalOptions(command);
      const listed = isOfNetwork(flags) ? await networkRules(command) : await rulesHere(command, flags, networkRules);
      if (json) printJson("rules" in listed ? listed.rules : listed);
      else printLine("rules" in listed ? renderFilter(listed) : renderNetworkFilter(listed));
    });

  withRuleFlags(filter.command("add"))
    .description("add a rule, on this machine or for the whole network; it is kept over restarts")
    .option(...SCOPE)
    .option("--ttl <duration>", "how long it holds, such as 10m (default: until it is removed)")
    .action(async (flags: RuleFlags & ScopeFlag & { readonly ttl?: string }, command: Command) => {
      const { parseNetworkRule, parseRule } = await import("../options/filter-options.ts");
      const ttlSeconds = flags.ttl === undefined ? null : parseDurationSeconds(flags.ttl);
      let added: FilterEntry | NetworkFilterEntry;
      if (isOfNetwork(flags)) {
        const rule = parseNetworkRule(flags);
        added = await (await adminOf(command)).addFilterRule({ rule, ttlSeconds });
      } else {
        const rule = parseRule(flags);
        added = await (await clientOf(command)).client.addFilterRule({ rule, ttlSeconds });
      }
      const { json } = globalOptions(command);
      const { renderEntry } = await import("../views/filter-view.ts");
      if (json) printJson(added);
      else printLine(renderEntry(added));
      if (added.note !== null && !json) process.stderr.write(`the rule changes nothing: ${added.note}\n`);
    });

  withRuleFlags(filter.command("remove [id]"))
    .description("remove the rule with this id, or the only one that says what the flags say")
    .option(...SCOPE)
    .action(async (id: string | undefined, flags: RuleFlags & ScopeFlag, command: Command) => {
      const { parseNetworkRemoval, parseRemoval } = await import("../options/filter-options.ts");
      let removed: FilterEntry | NetworkFilterEntry;
      if (isOfNetwork(flags)) {
        const removal = parseNetworkRemoval(id, flags);
        removed = await (await adminOf(command)).removeFilterRule(removal);
      } else {
        const removal = parseRemoval(id, flags);
        removed = await (await clientOf(command)).client.removeFilterRule(removal);
      }
      const { renderEntry } = await import("../views/filter-view.ts");
      if (globalOptions(command).json) printJson(removed);
      else printLine(`removed ${renderEntry(removed)}`);
    });

  filter
    .command("default [verdict]")
    .description("allow or deny what no rule speaks of; without a verdict: show it")
    .option("--direction <direction>", "in: what peers start; out: what this machine starts (default: in)")
    .option(...SCOPE)
    .option("--unset", "drop what was said here: the configuration file's word is valid again")
    .action(async (word: string | undefined, flags: DefaultFlags & ScopeFlag, command: Command) => {
      if (isOfNetwork(flags)) {
        throw new MeshError("bad-usage", "what no rule speaks of is each machine's own to decide", {
          hint: "Say `mesh filter default` on the machine, or `default:` in its configuration file.",
        });
      }
      const { parseDefaultChange } = await import("../options/filter-options.ts");
      const change = parseDefaultChange(word, flags);
      const { client, json } = await clientOf(command);
      const defaults = change === undefined ? (await client.filter()).defaults : await client.setFilterDefault(change);
      const { renderDefaults } = await import("../views/filter-view.ts");
      if (json) printJson(defaults);
      else printLine(renderDefaults(defaults));
    });

  filter
    .command("test")
    .description("say whether a connection would be let through, and by which rule: as `mesh explain` does")
    .option("--from <peer>", "name or address of who starts it (default: this machine)")
    .option("--to <peer>", "name or address of who it is made to (default: this machine)")
    .option("--protocol <protocol>", "tcp, udp or icmp (default: tcp with --port, else icmp)")
    .option("--port <port>", "of the end that it is made to")
    .option("-6, --ipv6", "of names, take the IPv6 address")
    .action(async (flags: TestFlags, command: Command) => {
      const { explainRequest } = await import("../options/explain-options.ts");
      const { from, to, protocol, port } = flags;
      await printExplanation(explainRequest({ from, to, protocol, port }, flags), command, exit);
    });
}

interface TestFlags extends ExplainFlags {
  readonly from?: string;
  readonly to?: string;
  readonly protocol?: string;
  readonly port?: string;
}

const SCOPE = [
  "--scope <scope>",
  "local: of this machine; network: of all machines, by the coordinator's word, which takes the admin right (default: local)",
] as const;

interface ScopeFlag {
  readonly scope?: string;
}

/** @throws MeshError `bad-usage` */
function isOfNetwork({ scope = "local" }: ScopeFlag): boolean {
  if (scope === "local" || scope === "network") return scope === "network";
  throw new MeshError("bad-usage", `--scope is local or network, not ${JSON.stringify(scope)}`);
}

interface DefaultFlags {
  readonly direction?: string;
  readonly unset?: boolean;
}

function withRuleFlags(command: Command): Command {
  return command
    .option("--port <ports>", "22, 80-90, several with commas, or any (default: any)")
    .option("--protocol <protocol>", "tcp, udp, icmp or any (default: tcp and udp)")
    .option("--action <action>", "allow, deny or reject")
    .option("--direction <direction>", "in: what peers start; out: what this machine starts (default: in)")
    .option("--source-peer <peer>", "from this peer")
    .option("--source-cidr <cidr>", "from these addresses: a CIDR or the name of one")
    .option("--source-tag <tag>", "from peers with this tag")
    .option("--dest-peer <peer>", "to this peer")
    .option("--dest-cidr <cidr>", "to these addresses: a CIDR or the name of one")
    .option("--dest-tag <tag>", "to peers with this tag")
    .option("--comment <text>", "a note for people");
}
