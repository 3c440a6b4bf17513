import type { Command } from "commander";
import { addConfigKindOptions, type ConfigKindFlags, configKindOf } from "../options/config-kind-flags.ts";
import { globalOptions } from "../options/globals.ts";
import { printJson, printLine } from "../output.ts";

export function registerConfig(program: Command): void {
  const config = program.command("config").description("configuration files");
  const check = config
    .command("check <file>")
    .description("say all that is wrong with a configuration file, and in which line");
  addConfigKindOptions(check).action(async (file: string, flags: ConfigKindFlags, command: Command) => {
    const options = globalOptions(command);
    const wanted = configKindOf(flags);
    const [{ checkConfig }, { configError }, { readConfig }] = await Promise.all([
      import("../config-kind.ts"),
      import("../../api/parse-yaml-config.ts"),
      import("../../api/yaml-config.ts"),
    ]);
    const { kind, faults } = checkConfig(await readConfig(file), file, wanted);
    if (options.json) printJson({ file, kind, valid: faults.length === 0, faults });
    if (faults.length > 0) throw configError(file, faults);
    if (!options.json) printLine(`${file} is a good configuration of a ${kind}`);
  });
}
