import type { Command } from "commander";
import type { Token } from "../../api/admin.ts";
import { parseDurationSeconds } from "../../base/duration.ts";
import { MeshError } from "../../base/errors.ts";
import { DEFAULT_LIMITS } from "../../coord/limits.ts";
import { formatAgo } from "../format.ts";
import { globalOptions } from "../globals.ts";
import { collect } from "../option-parsers.ts";
import { printJson, printLine } from "../output.ts";

interface CreateFlags {
  readonly name?: string;
  readonly cidr?: string;
  readonly ip?: string;
  readonly admin?: boolean;
  readonly tag?: string[];
  readonly uses?: string;
  readonly expires?: string;
  readonly ephemeral?: boolean;
  readonly relay?: boolean;
}

const ABSENCE_MINUTES = DEFAULT_LIMITS.ephemeralAbsenceMs / 60_000;

export function registerToken(program: Command): void {
  const token = program.command("token").description("tokens that let machines join (on the coordinator's host)");
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
    .action(async (flags: CreateFlags, command: Command) => {
      const options = globalOptions(command);
      const { tokenCreateSchema } = await import("../../api/admin.ts");
      const request = tokenCreateSchema.safeParse({
        ...(flags.name === undefined ? {} : { name: flags.name }),
        ...(flags.cidr === undefined ? {} : { cidr: flags.cidr }),
        ...(flags.ip === undefined ? {} : { ip4: flags.ip }),
        ...(flags.tag === undefined ? {} : { tags: flags.tag }),
        ...(flags.uses === undefined ? {} : { uses: parseUses(flags.uses) }),
        ...(flags.expires === undefined ? {} : { expiresInSeconds: parseDurationSeconds(flags.expires) }),
        admin: flags.admin === true,
        ephemeral: flags.ephemeral === true,
        relay: flags.relay === true,
      });
      if (!request.success) {
        const issue = request.error.issues[0];
        throw new MeshError("bad-usage", `--${flagOf(issue?.path[0])}: ${issue?.message ?? "a wrong value"}`);
      }
      const { AdminClient } = await import("../admin-client.ts");
      const created = await (await AdminClient.open(options)).createToken(request.data);
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
      const { AdminClient } = await import("../admin-client.ts");
      const tokens = await (await AdminClient.open(options)).listTokens();
      if (options.json) printJson(tokens);
      else {
        const { renderTable } = await import("../table.ts");
        printLine(tokens.length === 0 ? "no tokens" : renderTable(TOKEN_COLUMNS, tokens));
      }
    });

  token
    .command("revoke <id>")
    .description("make a token worthless")
    .action(async (id: string, _flags: object, command: Command) => {
      const options = globalOptions(command);
      const { AdminClient } = await import("../admin-client.ts");
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

function parseUses(text: string): number | null {
  if (text === "unlimited") return null;
  if (!/^[1-9]\d{0,6}$/.test(text)) {
    throw new MeshError("bad-usage", `--uses is a number or unlimited, not ${JSON.stringify(text)}`);
  }
  return Number(text);
}

function flagOf(key: PropertyKey | undefined): string {
  if (key === "ip4") return "ip";
  if (key === "tags") return "tag";
  return key === "expiresInSeconds" ? "expires" : String(key ?? "");
}
