import { Argument, type Command } from "commander";
import { COMPLETE_COMMAND, COMPLETION_SCRIPTS, FILES_LINE } from "../completion/scripts.ts";
import { globalOptions } from "../options/globals.ts";
import { printLine } from "../output.ts";

export function registerCompletion(program: Command): void {
  program
    .command("completion")
    .addArgument(new Argument("<shell>", "whose completion it is").choices(Object.keys(COMPLETION_SCRIPTS)))
    .description("print what has bash, zsh or fish complete the commands, options and peers of mesh")
    .action((shell: string) => {
      process.stdout.write(COMPLETION_SCRIPTS[shell] ?? "");
    });

  program
    .command(`${COMPLETE_COMMAND} [words...]`, { hidden: true })
    .allowUnknownOption()
    .action(async (words: string[], _flags: object, command: Command) => {
      const { complete } = await import("../completion/candidates.ts");
      const { namesInNetwork } = await import("../completion/names.ts");
      const { candidates, takesFiles } = await complete(program, words, namesInNetwork(globalOptions(command)));
      for (const { value, description } of candidates) printLine(`${value}\t${description}`);
      if (takesFiles) printLine(FILES_LINE);
    });
}
