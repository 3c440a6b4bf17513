import type { Command } from "commander";
import { softwareVersion } from "../../base/version.ts";
import { globalOptions } from "../options/globals.ts";
import { printJson, printLine } from "../output.ts";

export function registerVersion(program: Command): void {
  program
    .command("version")
    .description("print the version")
    .action((_options: object, command: Command) => {
      const version = softwareVersion();
      if (globalOptions(command).json) {
        printJson({ version, node: process.version, platform: process.platform, arch: process.arch });
      } else printLine(`mesh ${version}`);
    });
}
