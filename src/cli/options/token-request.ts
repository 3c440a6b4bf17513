import { type TokenCreate, tokenCreateSchema } from "../../api/admin.ts";
import { parseDurationSeconds } from "../../base/duration.ts";
import { MeshError } from "../../base/errors.ts";

/** The flags of `mesh token create` and `mesh invite create`. */
export interface TokenFlags {
  readonly name?: string;
  readonly cidr?: string;
  readonly ip?: string;
  readonly autoIp?: boolean;
  readonly admin?: boolean;
  readonly tag?: string[];
  readonly uses?: string;
  readonly expires?: string;
  readonly ephemeral?: boolean;
  readonly relay?: boolean;
}

/** @throws MeshError `bad-usage`, `bad-duration` */
export function tokenRequest(flags: TokenFlags): TokenCreate {
  const request = tokenCreateSchema.safeParse({
    ...(flags.name === undefined ? {} : { name: flags.name }),
    ...(flags.cidr === undefined ? {} : { cidr: flags.cidr }),
    ...(flags.ip === undefined ? {} : { ip4: flags.ip }),
    ...(flags.tag === undefined ? {} : { tags: flags.tag }),
    ...(flags.uses === undefined ? {} : { uses: parseUses(flags.uses) }),
    ...(flags.expires === undefined ? {} : { expiresInSeconds: parseDurationSeconds(flags.expires) }),
    autoIp: flags.autoIp === true,
    admin: flags.admin === true,
    ephemeral: flags.ephemeral === true,
    relay: flags.relay === true,
  });
  if (request.success) return request.data;
  const issue = request.error.issues[0];
  throw new MeshError("bad-usage", `--${flagOf(issue?.path[0])}: ${issue?.message ?? "a wrong value"}`);
}

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
