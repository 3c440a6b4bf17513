import { basename } from "node:path";
import type { z } from "zod";
import { type ConfigFault, checkYamlConfig } from "../api/parse-yaml-config.ts";
import { peerConfigSchema } from "../api/peer-config.ts";
import { relayConfigSchema } from "../api/relay-config.ts";
import { serverConfigSchema } from "../api/server-config.ts";
import { MeshError } from "../base/errors.ts";
import { type ConfigKind, configKinds } from "./options/config-search.ts";

const SCHEMAS = {
  peer: peerConfigSchema,
  server: serverConfigSchema,
  relay: relayConfigSchema,
} satisfies Record<ConfigKind, z.ZodType>;

const kinds = Object.keys(SCHEMAS) as ConfigKind[];

/** What a configuration file is for, and all that is wrong with it. */
export interface ConfigReport {
  readonly kind: ConfigKind;
  readonly faults: readonly ConfigFault[];
}

/**
 * @param wanted what the file is for; else its name says it (`peer.yaml`, `/etc/x/server-2.yaml`), else its keys
 * @throws MeshError `bad-usage` for a file that may as well be another's
 */
export function checkConfig(text: string, path: string, wanted: ConfigKind | undefined): ConfigReport {
  const named = kinds.filter((kind) => basename(path).includes(kind));
  const kind = wanted ?? (named.length === 1 ? named[0] : kindByKeys(text));
  if (kind !== undefined) return { kind, faults: faultsOf(text, kind) };
  throw new MeshError("bad-usage", `neither its name nor its keys say what ${path} is for`, {
    hint: `Say it: ${configKinds.map((each) => `--${each}`).join(", ")}.`,
  });
}

function faultsOf(text: string, kind: ConfigKind): readonly ConfigFault[] {
  const checked = checkYamlConfig<z.ZodType>(text, SCHEMAS[kind]);
  return "faults" in checked ? checked.faults : [];
}

/** The one that knows the most of the file's keys. Undefined where none does, or several do as well. */
function kindByKeys(text: string): ConfigKind | undefined {
  const keys = [...text.matchAll(/^([a-z_0-9]+):/gm)].map(([, key]) => key!);
  const known = (kind: ConfigKind) => keys.filter((key) => key in SCHEMAS[kind].in.shape).length;
  const [best, second] = kinds.map((kind) => ({ kind, keys: known(kind) })).sort((a, b) => b.keys - a.keys);
  return best === undefined || second === undefined || best.keys === second.keys ? undefined : best.kind;
}
