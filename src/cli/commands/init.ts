import type { Command } from "commander";
import { MeshError } from "../../base/errors.ts";
import { addConfigKindOptions, type ConfigKindFlags, configKindOf } from "../options/config-kind-flags.ts";
import { globalOptions } from "../options/globals.ts";
import { printJson, printLine } from "../output.ts";

interface InitFlags extends ConfigKindFlags {
  readonly output: string;
  readonly force?: boolean;
}

export function registerInit(program: Command): void {
  const init = program
    .command("init")
    .description("write a commented configuration file with every key and its default");
  addConfigKindOptions(init)
    .option("-o, --output <dir>", "where to, such as /etc/mesh; made where it is not there", ".")
    .option("--force", "replace a file that is there")
    .action(async ({ output, force, ...flags }: InitFlags, command: Command) => {
      const options = globalOptions(command);
      const kind = configKindOf(flags);
      if (kind === undefined) {
        throw new MeshError("bad-usage", "whose configuration?", { hint: "Say --peer, --server or --relay." });
      }
      const { writeExampleConfig } = await import("../example-config.ts");
      const file = await writeExampleConfig(kind, { directory: output, replace: force === true });
      if (options.json) printJson({ file, kind });
      else printLine(`${file} has every key; check what you change by \`mesh config check ${file}\``);
    });
}
