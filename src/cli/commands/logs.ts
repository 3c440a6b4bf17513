import type { Command } from "commander";
import { endSignal } from "../end-signal.ts";
import { integerOption } from "../option-parsers.ts";
import { printJsonLine, printLine } from "../output.ts";
import { peerGlobals } from "../peer-globals.ts";

interface LogsFlags {
  readonly follow?: boolean;
  readonly lines?: number;
  readonly level?: string;
}

export function registerLogs(program: Command): void {
  program
    .command("logs")
    .description("print what the daemon has said of late; secrets are not in it")
    .option("-f, --follow", "go on with what it says from now on")
    .option("-n, --lines <count>", "so many lines at most (default: 100)", integerOption("--lines", 0, 1000))
    .option("--level <level>", "debug, info, warn or error: this one and worse (default: all that is kept)")
    .action(async (flags: LogsFlags, command: Command) => {
      const options = await peerGlobals(command);
      const { localClient } = await import("../local-client.ts");
      const { prettyLogLine } = await import("../../daemon/log-line.ts");
      const query = {
        ...(flags.lines === undefined ? {} : { lines: String(flags.lines) }),
        ...(flags.level === undefined ? {} : { level: flags.level }),
        ...(flags.follow === true ? { follow: "true" } : {}),
      };
      const stop = endSignal();
      try {
        for await (const line of localClient(options).logs(query, stop)) {
          if (options.json) printJsonLine(line);
          else if ("entry" in line) printLine(prettyLogLine(JSON.stringify(line.entry)));
          else printLine(`… ${line.skipped} lines were too fast for this reader`);
        }
      } catch (failure) {
        if (!stop.aborted) throw failure;
      }
    });
}
