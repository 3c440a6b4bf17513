import type { Command } from "commander";
import type { Token } from "../../api/admin.ts";
import { EPHEMERAL_ABSENCE_MS } from "../../api/bounds.ts";
import { globalOptions } from "../options/globals.ts";
import { collect } from "../options/option-parsers.ts";
import type { TokenFlags } from "../options/token-request.ts";
import { printJson, printLine } from "../output.ts";
import { formatAgo } from "../views/format.ts";

const ABSENCE_MINUTES = EPHEMERAL_ABSENCE_MS / 60_000;

export function registerToken(program: Command): void {
  const token = program.command("token").description("tokens that let machines join (admins)");
  token
    .command("create")
    .description("make a join token; it is shown once")
    .option("--name <peer>", "only for the peer of this name")
    .option("--cidr <name>", "the CIDR that the peer lands in")
    .option("--ip <address>", "only for this IPv4 address")
    .option("--admin", "the peer may administer the network")
    .option("--tag <tag>", "a tag for the peer; may be repeated", collect)
    .option("--uses <n>", "how many machines may join with it, or unlimited (default: 1)")
    .option("--expires <duration>", "how long it is good for (default: 14d)")
    .option("--ephemeral", `peers that join with it are removed once they are away for ${ABSENCE_MINUTES} minutes`)
    .option("--relay", "for a stand-alone relay (`mesh relay`) instead of a peer")
    .action(async (flags: TokenFlags, command: Command) => {
      const options = globalOptions(command);
      const { tokenRequest } = await import("../options/token-request.ts");
      const { AdminClient } = await import("../clients/admin-client.ts");
      const created = await (await AdminClient.open(options)).createToken(tokenRequest(flags));
      if (options.json) printJson(created);
      else {
        printLine(created.token);
        process.stderr.write(`\n${created.relay ? "Start the relay" : "Join with it"} by:\n  ${created.joinCommand}\n`);
      }
    });

  token
    .command("list")
    .description("list the tokens, without their secrets")
    .action(async (_flags: object, command: Command) => {
      const options = globalOptions(command);
      const { AdminClient } = await import("../clients/admin-client.ts");
      const tokens = await (await AdminClient.open(options)).listTokens();
      if (options.json) printJson(tokens);
      else {
        const { renderTable } = await import("../views/table.ts");
        printLine(tokens.length === 0 ? "no tokens" : renderTable(TOKEN_COLUMNS, tokens));
      }
    });

  token
    .command("revoke <id>")
    .description("make a token worthless")
    .action(async (id: string, _flags: object, command: Command) => {
      const options = globalOptions(command);
      const { AdminClient } = await import("../clients/admin-client.ts");
      const revoked = await (await AdminClient.open(options)).revokeToken(id);
      if (options.json) printJson(revoked);
      else printLine(`${revoked.id} is revoked`);
    });
}

const TOKEN_COLUMNS = [
  { title: "ID", cell: (token: Token) => token.id },
  { title: "STATE", cell: (token: Token) => token.state },
  { title: "FOR", cell: (token: Token) => token.name ?? "any" },
  { title: "CIDR", cell: (token: Token) => token.cidr },
  { title: "RELAY", cell: (token: Token) => (token.relay ? "yes" : "no") },
  { title: "ADMIN", cell: (token: Token) => (token.admin ? "yes" : "no") },
  { title: "EPHEMERAL", cell: (token: Token) => (token.ephemeral ? "yes" : "no") },
  {
    title: "USES LEFT",
    cell: (token: Token) => (token.uses === null ? "unlimited" : `${token.usesLeft ?? 0} of ${token.uses}`),
  },
  { title: "CREATED", cell: (token: Token) => formatAgo(token.createdAt, Date.now()) },
  { title: "EXPIRES", cell: (token: Token) => token.expiresAt },
] as const;
