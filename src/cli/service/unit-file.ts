import { readFile } from "node:fs/promises";
import { nameSchema } from "../../api/primitives.ts";
import { MeshError } from "../../base/errors.ts";
import { PACKAGE_ROOT } from "../../base/package-root.ts";
import { quote as quoted } from "../../base/quote.ts";
import type { ConfigKind } from "../options/config-search.ts";

/** The service's names: of its unit, and of what it runs. */
export const SERVICES = {
  peer: { unit: "mesh.service", command: "up" },
  server: { unit: "mesh-server.service", command: "serve" },
  relay: { unit: "mesh-relay.service", command: "relay" },
} as const satisfies Record<ConfigKind, { readonly unit: string; readonly command: string }>;

/** A network of a peer that is named has a unit to itself, as an instance of the peer's. @throws MeshError `bad-name` */
export function unitOf(kind: ConfigKind, network: string | undefined): string {
  const { unit } = SERVICES[kind];
  if (kind !== "peer" || network === undefined) return unit;
  if (!nameSchema.safeParse(network).success) {
    throw new MeshError("bad-name", `${quoted(network)} cannot be the name of a network`);
  }
  return unit.replace(".service", `@${network}.service`);
}

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
  /** `--config`: an absolute path. */
  readonly config: string | undefined;
  /** The coordinator's host is a peer as well: what its daemon may is added. */
  readonly joins: boolean;
}

/** The unit of `configs/systemd`, for the program where it is. */
export async function unitFile(kind: ConfigKind, options: UnitOptions): Promise<string> {
  const { unit, command } = SERVICES[kind];
  const template = await readTemplate(unit);
  const flags = [
    ...(options.home === undefined ? [] : ["--home", options.home]),
    ...(options.network === undefined ? [] : ["--network", options.network]),
  ];
  const config = options.config === undefined ? [] : ["--config", options.config];
  const line = [...options.program, ...flags, command, ...config].map(quote).join(" ");
  let text = template.replace(/^ExecStart=.*$/m, () => `ExecStart=${line}`);
  if (options.home !== undefined) {
    const home = quote(options.home);
    text = text.replace(/^StateDirectory=.*\n/m, (found) => `${found}ReadWritePaths=${home}\n`);
  }
  const paths = [...options.program, options.home ?? "", options.config ?? ""];
  // Started all the same, from where a person has it: read-only, but for the home given.
  if (paths.some((path) => HOMES.test(path))) text = text.replace(/^ProtectHome=yes$/m, "ProtectHome=read-only");
  const forHost = options.joins ? `\n${await readTemplate(`${unit}.d/join.conf`)}` : "";
  return `${UNIT_MARK}\n${text}${forHost}`;
}

function readTemplate(name: string): Promise<string> {
  return readFile(new URL(`configs/systemd/${name}`, PACKAGE_ROOT), "utf8");
}

/** As systemd.service(5) reads a command line: `%` and `$` mean something, quotes and backslashes group and escape. */
function quote(argument: string): string {
  const plain = argument.replaceAll("%", "%%").replaceAll("$", "$$$$");
  return /^[\w@%+=:,./$-]+$/.test(plain) ? plain : `"${plain.replace(/["\\]/g, "\\$&")}"`;
}
