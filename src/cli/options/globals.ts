import type { Command } from "commander";
import { MeshError } from "../../base/errors.ts";

/** Options that every command takes, before or after its name. */
export interface GlobalOptions {
  readonly home: string | undefined;
  readonly network: string | undefined;
  readonly json: boolean;
  readonly verbose: boolean;
  readonly logFormat: "pretty" | "json";
  /** Undefined where neither flag nor environment says it: a configuration file then may. */
  readonly explicit: {
    readonly verbose: boolean | undefined;
    readonly logFormat: "pretty" | "json" | undefined;
  };
}

export function addGlobalOptions(program: Command): void {
  program
    .option("--home <dir>", "where state and sockets live (MESH_HOME)")
    .option("--network <network>", "which joined network is meant (MESH_NETWORK)")
    .option("--json", "print JSON")
    .option("-v, --verbose", "say more in the log")
    .option("--log-format <format>", "pretty or json");
}

/** @throws MeshError `bad-usage` */
export function globalOptions(command: Command): GlobalOptions {
  const raw: Record<string, unknown> = command.optsWithGlobals();
  const logFormat = raw.logFormat;
  if (logFormat !== undefined && logFormat !== "pretty" && logFormat !== "json") {
    throw new MeshError("bad-usage", `--log-format is pretty or json, not ${JSON.stringify(logFormat)}`);
  }
  const verbose = raw.verbose === true ? true : undefined;
  return {
    home: text(raw.home) ?? nonEmpty(process.env.MESH_HOME),
    network: text(raw.network) ?? nonEmpty(process.env.MESH_NETWORK),
    json: raw.json === true,
    verbose: verbose ?? false,
    logFormat: logFormat ?? "pretty",
    explicit: { verbose, logFormat },
  };
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === undefined || value === "" ? undefined : value;
}
