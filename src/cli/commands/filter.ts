import type { Command } from "commander";
import { parseDurationSeconds } from "../../base/duration.ts";
import type { RuleFlags } from "../filter-options.ts";
import { printJson, printLine } from "../output.ts";
import { peerGlobals } from "../peer-globals.ts";

/** Handlers load what they need when they run: other commands do not pay for it. */
async function clientOf(command: Command) {
  const options = await peerGlobals(command);
  const { localClient } = await import("../local-client.ts");
  return { client: localClient(options), json: options.json };
}

export function registerFilter(program: Command): void {
  const filter = program.command("filter").description("the packet filter of this machine (docs/filter.md)");
  filter
    .command("list")
    .description("list the rules of all layers, with their hits")
    .action(async (_flags: object, command: Command) => {
      const { client, json } = await clientOf(command);
      const view = await client.filter();
      const { renderFilter } = await import("../filter-view.ts");
      if (json) printJson(view.rules);
      else printLine(renderFilter(view));
    });

  withRuleFlags(filter.command("add"))
    .description("add a rule on this machine; it is kept over restarts")
    .option("--ttl <duration>", "how long it holds, such as 10m (default: until it is removed)")
    .action(async (flags: RuleFlags & { readonly ttl?: string }, command: Command) => {
      const { parseRule } = await import("../filter-options.ts");
      const rule = parseRule(flags);
      const ttlSeconds = flags.ttl === undefined ? null : parseDurationSeconds(flags.ttl);
      const { client, json } = await clientOf(command);
      const added = await client.addFilterRule({ rule, ttlSeconds });
      const { renderEntry } = await import("../filter-view.ts");
      if (json) printJson(added);
      else printLine(renderEntry(added));
      if (added.note !== null && !json) process.stderr.write(`the rule changes nothing: ${added.note}\n`);
    });

  withRuleFlags(filter.command("remove [id]"))
    .description("remove the rule with this id, or the only one that says what the flags say")
    .action(async (id: string | undefined, flags: RuleFlags, command: Command) => {
      const { parseRemoval } = await import("../filter-options.ts");
      const removal = parseRemoval(id, flags);
      const { client, json } = await clientOf(command);
      const removed = await client.removeFilterRule(removal);
      const { renderEntry } = await import("../filter-view.ts");
      if (json) printJson(removed);
      else printLine(`removed ${renderEntry(removed)}`);
    });

  filter
    .command("default [verdict]")
    .description("allow or deny what no rule speaks of; without a verdict: show it")
    .option("--direction <direction>", "in: what peers start; out: what this machine starts (default: in)")
    .option("--unset", "drop what was said here: the configuration file's word is valid again")
    .action(async (word: string | undefined, flags: DefaultFlags, command: Command) => {
      const { parseDefaultChange } = await import("../filter-options.ts");
      const change = parseDefaultChange(word, flags);
      const { client, json } = await clientOf(command);
      const defaults = change === undefined ? (await client.filter()).defaults : await client.setFilterDefault(change);
      const { renderDefaults } = await import("../filter-view.ts");
      if (json) printJson(defaults);
      else printLine(renderDefaults(defaults));
    });
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
    .option("--source-peer <name>", "from this peer")
    .option("--source-cidr <cidr>", "from these addresses: a CIDR or the name of one")
    .option("--source-tag <tag>", "from peers with this tag")
    .option("--dest-peer <name>", "to this peer")
    .option("--dest-cidr <cidr>", "to these addresses: a CIDR or the name of one")
    .option("--dest-tag <tag>", "to peers with this tag")
    .option("--comment <text>", "a note for people");
}
