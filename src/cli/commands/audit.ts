import type { Command } from "commander";
import type { AdminEvent } from "../../api/admin.ts";
import { globalOptions } from "../options/globals.ts";
import { printJson, printLine } from "../output.ts";

export function registerAudit(program: Command): void {
  program
    .command("audit")
    .description("who changed what in the network, oldest first (admins)")
    .option("--since <duration>", "how far back", "24h")
    .action(async ({ since }: { since: string }, command: Command) => {
      const options = globalOptions(command);
      const [{ parseDurationSeconds }, { AdminClient }] = await Promise.all([
        import("../../base/duration.ts"),
        import("../clients/admin-client.ts"),
      ]);
      const from = new Date(Math.max(0, Date.now() - parseDurationSeconds(since) * 1000)).toISOString();
      const client = await AdminClient.open(options);
      const events: AdminEvent[] = [];
      for (;;) {
        const page = await client.listEvents({ since: from, after: events.at(-1)?.id ?? 0 });
        if (page.length === 0) break;
        events.push(...page);
      }
      if (options.json) printJson(events);
      else {
        const { renderTable } = await import("../views/table.ts");
        printLine(events.length === 0 ? `nothing has changed for ${since}` : renderTable(EVENT_COLUMNS, events));
      }
    });
}

const EVENT_COLUMNS = [
  { title: "AT", cell: (event: AdminEvent) => event.at },
  { title: "WHO", cell: (event: AdminEvent) => event.actor },
  { title: "WHAT", cell: (event: AdminEvent) => event.action },
  { title: "SUBJECT", cell: (event: AdminEvent) => event.subject },
  { title: "BEFORE", cell: (event: AdminEvent) => describe(event.before) },
  { title: "AFTER", cell: (event: AdminEvent) => describe(event.after) },
] as const;

/** `state=disabled admin=false`; long things belong to `--json`. */
function describe(fields: AdminEvent["before"]): string {
  if (fields === null) return "-";
  const text = Object.entries(fields)
    .map(([field, value]) => `${field}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
  return text.length <= 100 ? text : `${text.slice(0, 99)}…`;
}
