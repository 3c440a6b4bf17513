import type { Command } from "commander";
import type { DnsEntry } from "../../api/network-dns.ts";
import { globalOptions } from "../options/globals.ts";
import { integerOption } from "../options/option-parsers.ts";
import { peerGlobals } from "../options/peer-globals.ts";
import { printJson, printLine } from "../output.ts";

/** Handlers load what they need when they run: other commands do not pay for it. */
async function clientOf(command: Command) {
  const options = await peerGlobals(command);
  const { localClient } = await import("../clients/local-client.ts");
  return { client: localClient(options), json: options.json };
}

async function adminOf(command: Command) {
  const { AdminClient } = await import("../clients/admin-client.ts");
  return AdminClient.open(globalOptions(command));
}

const MAX_TTL_SECONDS = 604_800;

export function registerDns(program: Command): void {
  const dns = program.command("dns").description("names in the mesh, and whom others are asked of (docs/dns.md)");
  dns
    .command("status")
    .description("show where this machine answers, and whom it asks for which names, and why")
    .action(async (_flags: object, command: Command) => {
      const { client, json } = await clientOf(command);
      const status = await client.dns();
      if (json) return printJson(status);
      const { renderDnsStatus } = await import("../views/dns-view.ts");
      printLine(renderDnsStatus(status));
    });

  dns
    .command("query <name> [type]")
    .description("look a name or an address up, and show who answered and how long it took")
    .action(async (name: string, type: string | undefined, _flags: object, command: Command) => {
      const { client, json } = await clientOf(command);
      const { replies } = await client.dnsQuery({ name, type: type ?? null });
      if (json) return printJson(replies);
      const { renderDnsAnswers } = await import("../views/dns-view.ts");
      printLine(renderDnsAnswers(replies));
    });

  dns
    .command("records")
    .description("list the records of the network beside the names of peers")
    .action(async (_flags: object, command: Command) => {
      const records = await (await adminOf(command)).listDnsRecords();
      if (globalOptions(command).json) return printJson(records);
      const { renderDnsRecords } = await import("../views/dns-view.ts");
      printLine(renderDnsRecords(records));
    });

  dns
    .command("add <name> <type> <data...>")
    .description("add a record A, AAAA, CNAME, TXT or SRV; without the admin right: below this machine's own name")
    .option("--ttl <seconds>", "how long it may be kept (default: 1)", integerOption("--ttl", 0, MAX_TTL_SECONDS))
    .action(async (name: string, type: string, data: string[], flags: { ttl?: number }, command: Command) => {
      const record = { name, type, data: data.join(" "), ttlSeconds: flags.ttl ?? null };
      const added = await (await adminOf(command)).addDnsRecord({ record });
      if (globalOptions(command).json) printJson(added);
      else printLine(lineOf(added));
    });

  dns
    .command("remove <name> [type] [data...]")
    .description("remove the records of a name: all, those of a type, or the one that says this")
    .action(async (name: string, type: string | undefined, data: string[], _flags: object, command: Command) => {
      const removal = { name, type: type ?? null, data: data.length === 0 ? null : data.join(" ") };
      const removed = await (await adminOf(command)).removeDnsRecords(removal);
      if (globalOptions(command).json) printJson(removed);
      else for (const record of removed) printLine(`removed ${lineOf(record)}`);
    });

  registerServers(dns);
}

function registerServers(dns: Command): void {
  const servers = dns
    .command("servers")
    .description("the servers that all peers ask for names of others (an admin's word)");
  servers
    .command("list", { isDefault: true })
    .description("list them, by the suffix of names that they are for")
    .action(async (_flags: object, command: Command) => {
      const entries = await (await adminOf(command)).listDnsServers();
      if (globalOptions(command).json) return printJson(entries);
      const { renderDnsServers } = await import("../views/dns-view.ts");
      printLine(renderDnsServers(entries));
    });
  const set = async (suffix: string | undefined, wanted: string[], command: Command) => {
    const entry = await (await adminOf(command)).setDnsServers({ suffix: suffix ?? null, servers: wanted });
    if (globalOptions(command).json) return printJson(entry);
    const { renderDnsServers } = await import("../views/dns-view.ts");
    printLine(renderDnsServers([entry]));
  };
  servers
    .command("set <server...>")
    .description("have these asked, in this order: addresses, with #PORT where that is not 53")
    .option("--for <suffix>", "for names below this suffix (default: for all that no suffix is for)")
    .action((wanted: string[], flags: { for?: string }, command: Command) => set(flags.for, wanted, command));
  servers
    .command("unset")
    .description("have each machine's own asked again")
    .option("--for <suffix>", "for names below this suffix")
    .action((flags: { for?: string }, command: Command) => set(flags.for, [], command));
}

function lineOf({ name, type, data }: DnsEntry): string {
  return `${name} ${type} ${data}`;
}
