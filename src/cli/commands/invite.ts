import type { Command } from "commander";
import type { TokenCreated } from "../../api/admin.ts";
import { globalOptions } from "../options/globals.ts";
import { collect } from "../options/option-parsers.ts";
import type { TokenFlags } from "../options/token-request.ts";
import { printJson, printLine } from "../output.ts";

interface InviteFlags extends TokenFlags {
  readonly output?: string;
}

export function registerInvite(program: Command): void {
  const invite = program
    .command("invite")
    .description("invite machines by a file: a join token with what belongs to it (admins)");
  invite
    .command("create")
    .description("make an invitation; print it, or write it to a file that only you can read")
    .option("--name <peer>", "the peer that is invited; without it, the name is the bearer's choice")
    .option("--cidr <name>", "the CIDR that the peer lands in")
    .option("--ip <address>", "its IPv4 address")
    .option("--auto-ip", "reserve an address of the coordinator's choice (default where a name is given)")
    .option("--admin", "the peer may administer the network")
    .option("--tag <tag>", "a tag for the peer; may be repeated", collect)
    .option("--expires <duration>", "how long it is good for (default: 14d)")
    .option("-o, --output <file>", "where to write it; a file that is there is not overwritten")
    .action(async (flags: InviteFlags, command: Command) => {
      const [{ tokenRequest }, { AdminClient }] = await Promise.all([
        import("../options/token-request.ts"),
        import("../clients/admin-client.ts"),
      ]);
      const autoIp = flags.autoIp === true || (flags.ip === undefined && flags.name !== undefined);
      const request = tokenRequest({ ...flags, autoIp });
      const client = await AdminClient.open(globalOptions(command));
      await handOver(command, flags.output, () => client.createToken(request));
    });

  invite
    .command("reissue <peer>")
    .description("make another invitation in the place of a lost or expired one, which is worth nothing any more")
    .option("--expires <duration>", "how long it is good for (default: 14d)")
    .option("-o, --output <file>", "where to write it; a file that is there is not overwritten")
    .action(async (peer: string, flags: Pick<InviteFlags, "expires" | "output">, command: Command) => {
      const [{ parseDurationSeconds }, { AdminClient }] = await Promise.all([
        import("../../base/duration.ts"),
        import("../clients/admin-client.ts"),
      ]);
      const request = flags.expires === undefined ? {} : { expiresInSeconds: parseDurationSeconds(flags.expires) };
      const client = await AdminClient.open(globalOptions(command));
      await handOver(command, flags.output, () => client.reissueInvitation(peer, request));
    });
}

async function handOver(command: Command, file: string | undefined, make: () => Promise<TokenCreated>): Promise<void> {
  const { json } = globalOptions(command);
  const { invitationText, writeInvitation } = await import("../invitation-file.ts");
  const created = file === undefined ? await make() : await writeInvitation(file, make);
  if (json) printJson({ ...created, file: file ?? null });
  else if (file === undefined) process.stdout.write(invitationText(created));
  else printLine(`${file} invites ${created.name ?? "a peer"}: mesh join --invite ${file}`);
}
