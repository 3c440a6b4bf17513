import type { Command } from "commander";
import type { Association } from "../../api/admin-cidrs.ts";
import type { OpenAdmin } from "../clients/open-admin.ts";
import { globalOptions } from "../options/globals.ts";
import { printJson, printLine } from "../output.ts";

export function registerAssociation(program: Command, openAdmin: OpenAdmin): void {
  const association = program.command("association").description("which CIDRs see each other");
  association
    .command("list")
    .description("list the associations")
    .action(async (_flags: object, command: Command) => {
      const options = globalOptions(command);
      const associations = await (await openAdmin(options)).listAssociations();
      if (options.json) return printJson(associations);
      const { renderTable } = await import("../views/table.ts");
      printLine(associations.length === 0 ? "no associations" : renderTable(COLUMNS, associations));
    });

  association
    .command("add <a> <b>")
    .description("let the peers in two CIDRs, and in what these hold, see each other")
    .option("--one-way", "only peers in <a> may start connections to those in <b>")
    .action(async (from: string, to: string, { oneWay }: { oneWay?: boolean }, command: Command) => {
      const options = globalOptions(command);
      const added = await (await openAdmin(options)).addAssociation({ from, to, oneWay: oneWay === true });
      if (options.json) printJson(added);
      else printLine(added.oneWay ? `peers in ${from} may connect to ${to}` : `${from} and ${to} see each other`);
    });

  association
    .command("delete <a> <b>")
    .description("end an association, and the connections that it allowed")
    .action(async (from: string, to: string, _flags: object, command: Command) => {
      const options = globalOptions(command);
      const deleted = await (await openAdmin(options)).deleteAssociation(from, to);
      if (options.json) printJson(deleted);
      else printLine(`${deleted.from} and ${deleted.to} are not associated any more`);
    });
}

const COLUMNS = [
  { title: "FROM", cell: ({ from }: Association) => from },
  { title: "TO", cell: ({ to }: Association) => to },
  { title: "CONNECTIONS", cell: ({ oneWay }: Association) => (oneWay ? "one way" : "both ways") },
] as const;
