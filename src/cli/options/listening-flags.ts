import type { Command } from "commander";
import type { z } from "zod";
import { MeshError } from "../../base/errors.ts";
import { logLevelsOf, SERVER_SUBSYSTEMS } from "../../base/log-levels.ts";
import { collect } from "./option-parsers.ts";

/** Flags of everything that listens: `mesh serve`, `mesh relay`. */
export interface ListeningFlags {
  readonly config?: string;
  readonly listen?: string[];
  readonly stunListen?: string[];
  readonly metricsListen?: string[];
  readonly logLevel?: string[];
  readonly publicUrl?: string[];
  readonly tls?: string;
}

export const METRICS_LISTEN_HELP =
  "where to serve Prometheus metrics, /healthz and /readyz, or off; may be repeated (default: off; docs/metrics.md)";

/** Of `--log-level`. */
export function logLevelHelp(subsystems: readonly string[]): string {
  const names = subsystems.join(", ");
  return `debug, info, warn or error: from there on; SUBSYSTEM=LEVEL for one alone (${names}); may be repeated (default: info)`;
}

/** @param defaultListen where it listens when nothing is said */
export function addListeningOptions(command: Command, defaultListen: string): Command {
  return command
    .option("--config <file>", "configuration file")
    .option("--listen <address>", `where to listen; may be repeated (default: ${defaultListen})`, collect)
    .option(
      "--stun-listen <address>",
      "where to answer STUN over UDP, or off; may be repeated; one alone stands for its port and the next (default: :3478)",
      collect,
    )
    .option("--metrics-listen <address>", METRICS_LISTEN_HELP, collect)
    .option("--log-level <level>", logLevelHelp(SERVER_SUBSYSTEMS), collect)
    .option("--public-url <url>", "how peers reach it; may be repeated", collect)
    .option("--tls <mode>", "auto (the coordinator's own CA), off (behind a proxy), or CERT,KEY files (default: auto)");
}

/** The flags as the keys of a configuration file. @throws MeshError `bad-usage` */
export function listeningKeys(flags: ListeningFlags): object {
  return {
    listen: flags.listen,
    stun_listen: oneOrMore(flags.stunListen),
    metrics_listen: oneOrMore(flags.metricsListen),
    log_levels: logLevelsOf(flags.logLevel),
    public_url: flags.publicUrl,
    tls: flags.tls === undefined ? undefined : parseTls(flags.tls),
  };
}

/** As a file would have it: `off` stands alone. */
export function oneOrMore(values: string[] | undefined): string | string[] | undefined {
  return values?.length === 1 ? values[0] : values;
}

/** Flags go through the schema of the file, so that both have the same rules. @throws MeshError `bad-usage` */
export function parseFlags<Schema extends z.ZodType>(schema: Schema, keys: object): z.output<Schema> {
  const parsed = schema.safeParse(definedOnly(keys));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const key = String(issue?.path[0] ?? "");
  const flag = key === "log_levels" ? "log-level" : key.replaceAll("_", "-");
  throw new MeshError("bad-usage", `--${flag}: ${issue?.message ?? "a wrong value"}`);
}

/** Spreading an undefined field would hide the one underneath. */
export function definedOnly<T extends object>(fields: T): Partial<T> {
  const defined: Partial<T> = { ...fields };
  for (const key of Object.keys(defined) as (keyof T)[]) if (defined[key] === undefined) delete defined[key];
  return defined;
}

function parseTls(text: string): "auto" | "off" | { readonly cert: string; readonly key: string } {
  if (text === "auto" || text === "off") return text;
  const [cert, key, ...rest] = text.split(",");
  if (cert === undefined || cert === "" || key === undefined || key === "" || rest.length > 0) {
    throw new MeshError("bad-usage", `--tls is auto, off or CERT,KEY, not ${JSON.stringify(text)}`);
  }
  return { cert, key };
}
