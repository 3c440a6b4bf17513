import type { Command } from "commander";
import type { AdminRelay } from "../../api/admin.ts";
import { globalOptions } from "../options/globals.ts";
import { addListeningOptions } from "../options/listening-flags.ts";
import { collect } from "../options/option-parsers.ts";
import type { RelayFlags } from "../options/relay-flags.ts";
import { printJson, printLine } from "../output.ts";
import { formatAgo } from "../views/format.ts";

export function registerRelay(program: Command): void {
  const relay = program
    .command("relay")
    .description("run a stand-alone relay, or look after the relays of a network (admins)");
  addListeningOptions(relay, ":443")
    .option("--server <url>", "the coordinator; may be repeated, tried in order", collect)
    .option("--token <token>", "what `mesh token create --relay` printed (MESH_TOKEN); an admin's is good as well")
    .option("--token-file <file>", "a file that holds the token, - for standard input")
    .option("--name <relay>", "the name of this relay (default: the host name)")
    .action(async (flags: RelayFlags, command: Command) => {
      const { runRelay } = await import("../running/run-relay.ts");
      await runRelay(flags, command);
    });

  relay
    .command("list")
    .description("list the stand-alone relays of the network")
    .action(async (_flags: object, command: Command) => {
      const options = globalOptions(command);
      const { AdminClient } = await import("../clients/admin-client.ts");
      const relays = await (await AdminClient.open(options)).listRelays();
      if (options.json) printJson(relays);
      else {
        const { renderTable } = await import("../views/table.ts");
        printLine(relays.length === 0 ? "no stand-alone relays" : renderTable(RELAY_COLUMNS, relays));
      }
    });

  relay
    .command("remove <name>")
    .description("take a relay out of the network: it serves nobody any more")
    .action(async (name: string, _flags: object, command: Command) => {
      const options = globalOptions(command);
      const { AdminClient } = await import("../clients/admin-client.ts");
      const removed = await (await AdminClient.open(options)).removeRelay(name);
      if (options.json) printJson(removed);
      else printLine(`${removed.name} is no relay any more`);
    });
}

const RELAY_COLUMNS = [
  { title: "NAME", cell: (relay: AdminRelay) => relay.name },
  { title: "ONLINE", cell: (relay: AdminRelay) => (relay.online ? "yes" : "no") },
  {
    title: "LAST SEEN",
    cell: (relay: AdminRelay) => (relay.lastSeenAt === null ? "never" : formatAgo(relay.lastSeenAt, Date.now())),
  },
  { title: "CERTIFICATE", cell: (relay: AdminRelay) => relay.certificate },
  { title: "STUN", cell: (relay: AdminRelay) => relay.stunPorts.join(", ") || "-" },
  { title: "URLS", cell: (relay: AdminRelay) => relay.urls.join(", ") || "-" },
] as const;
