import { readFile } from "node:fs/promises";
import { PACKAGE_ROOT } from "../../base/package-root.ts";
import type { ConfigKind } from "../config-search.ts";

/** The service's names: of its unit, and of what it runs. */
export const SERVICES = {
  peer: { unit: "mesh.service", command: "up" },
  server: { unit: "mesh-server.service", command: "serve" },
  relay: { unit: "mesh-relay.service", command: "relay" },
} as const satisfies Record<ConfigKind, { readonly unit: string; readonly command: string }>;

/** First line of a unit that we may replace or remove. */
export const UNIT_MARK = "# Made by `mesh service install`, which replaces it; changes belong into `systemctl edit`.";

/** Where ProtectHome=yes leaves nothing to be seen. */
const HOMES = /^\/(?:home|root|run\/user)\//;

export interface UnitOptions {
  /** What runs it: the program and its first arguments, absolute paths among them. */
  readonly program: readonly string[];
  /** `--home`, if it is not the default. */
  readonly home: string | undefined;
  /** `--network` of a peer. */
  readonly network: string | undefined;
}

/** The unit of `configs/systemd`, for the program where it is. */
export async function unitFile(kind: ConfigKind, options: UnitOptions): Promise<string> {
  const { unit, command } = SERVICES[kind];
  const template = await readFile(new URL(`configs/systemd/${unit}`, PACKAGE_ROOT), "utf8");
  const flags = [
    ...(options.home === undefined ? [] : ["--home", options.home]),
    ...(options.network === undefined ? [] : ["--network", options.network]),
  ];
  const line = [...options.program, ...flags, command].map(quote).join(" ");
  let text = template.replace(/^ExecStart=.*$/m, () => `ExecStart=${line}`);
  if (options.home !== undefined) {
    const home = quote(options.home);
    text = text.replace(/^StateDirectory=.*\n/m, (found) => `${found}ReadWritePaths=${home}\n`);
  }
  const paths = [...options.program, options.home ?? ""];
  // Started all the same, from where a person has it: read-only, but for the home given.
  if (paths.some((path) => HOMES.test(path))) text = text.replace(/^ProtectHome=yes$/m, "ProtectHome=read-only");
  return `${UNIT_MARK}\n${text}`;
}

/** As systemd.service(5) reads a command line: `%` and `$` mean something, quotes and backslashes group and escape. */
function quote(argument: string): string {
  const plain = argument.replaceAll("%", "%%").replaceAll("$", "$$$$");
  return /^[\w@%+=:,./$-]+$/.test(plain) ? plain : `"${plain.replace(/["\\]/g, "\\$&")}"`;
}
