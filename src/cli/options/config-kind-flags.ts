import type { Command } from "commander";
import { MeshError } from "../../base/errors.ts";
import { type ConfigKind, configKinds } from "./config-search.ts";

export type ConfigKindFlags = Partial<Record<ConfigKind, boolean>>;

export function addConfigKindOptions(command: Command): Command {
  return command
    .option("--peer", "of `mesh join` and `mesh up`")
    .option("--server", "of `mesh serve`")
    .option("--relay", "of `mesh relay`");
}

/** Undefined where no flag says it. @throws MeshError `bad-usage` for several */
export function configKindOf(flags: ConfigKindFlags): ConfigKind | undefined {
  const [kind, ...more] = configKinds.filter((each) => flags[each] === true);
  if (more.length === 0) return kind;
  throw new MeshError("bad-usage", `--${[kind, ...more].join(" and --")} exclude each other`);
}
