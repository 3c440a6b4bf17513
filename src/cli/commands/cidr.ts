import type { Command } from "commander";
import type { AdminCidr } from "../../api/admin-cidrs.ts";
import type { AdminClient } from "../clients/admin-client.ts";
import type { OpenAdmin } from "../clients/open-admin.ts";
import { globalOptions } from "../options/globals.ts";
import { printJson, printLine } from "../output.ts";

export function registerCidr(program: Command, openAdmin: OpenAdmin): void {
  const cidr = program.command("cidr").description("the named ranges of the network that peers live in");
  cidr
    .command("list")
    .description("list the CIDRs in the order of their addresses")
    .option("--tree", "draw what lies in what")
    .action(async ({ tree }: { tree?: boolean }, command: Command) => {
      const options = globalOptions(command);
      const cidrs = await (await openAdmin(options)).listCidrs();
      if (options.json) return printJson(cidrs);
      const { cidrTable } = await import("../views/cidr-view.ts");
      printLine(cidrTable(cidrs, { tree: tree === true }));
    });

  cidr
    .command("add <name> <cidr> [cidr6]")
    .description("make a CIDR, such as 10.86.128.0/20; its IPv6 range follows from the IPv4 one when left out")
    .option("--parent <name>", "fail unless this is the closest CIDR around it")
    .action(async (name: string, cidr4: string, cidr6: string | undefined, flags: { parent?: string }, command) => {
      const wanted = {
        name,
        cidr4,
        ...(cidr6 === undefined ? {} : { cidr6 }),
        ...(flags.parent === undefined ? {} : { parent: flags.parent }),
      };
      await change(
        command,
        openAdmin,
        (client) => client.addCidr(wanted),
        (made) => `${made.name} is ${made.cidr4} and ${made.cidr6}, in ${made.parent}`,
      );
    });

  cidr
    .command("rename <name> <new-name>")
    .description("give a CIDR another name")
    .action((name: string, newName: string, _flags: object, command: Command) =>
      change(
        command,
        openAdmin,
        (client) => client.renameCidr(name, newName),
        (renamed) => `${name} is called ${renamed.name}`,
      ),
    );

  cidr
    .command("enable <name>")
    .description("let the peers in a CIDR see others, and be seen, again")
    .action((name: string, _flags: object, command: Command) =>
      change(
        command,
        openAdmin,
        (client) => client.setCidrEnabled(name, true),
        () => `${name} is enabled`,
      ),
    );

  cidr
    .command("disable <name>")
    .description("cut the peers in a CIDR off from everybody, until it is enabled again")
    .action((name: string, _flags: object, command: Command) =>
      change(
        command,
        openAdmin,
        (client) => client.setCidrEnabled(name, false),
        () => `${name} is disabled`,
      ),
    );

  cidr
    .command("delete <name>")
    .description("delete an empty CIDR")
    .action((name: string, _flags: object, command: Command) =>
      change(
        command,
        openAdmin,
        (client) => client.deleteCidr(name),
        () => `${name} is deleted`,
      ),
    );
}

async function change(
  command: Command,
  openAdmin: OpenAdmin,
  call: (client: AdminClient) => Promise<AdminCidr>,
  inWords: (cidr: AdminCidr) => string,
): Promise<void> {
  const options = globalOptions(command);
  const cidr = await call(await openAdmin(options));
  if (options.json) printJson(cidr);
  else printLine(inWords(cidr));
}
