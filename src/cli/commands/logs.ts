import type { Command } from "commander";
import type { LogLine } from "../../api/local-logs.ts";
import { MeshError } from "../../base/errors.ts";
import { LOG_LEVEL_NAMES, LOG_LEVELS } from "../../base/log-levels.ts";
import { quote } from "../../base/quote.ts";
import { integerOption } from "../options/option-parsers.ts";
import { peerGlobals } from "../options/peer-globals.ts";
import { printJsonLine, printLine } from "../output.ts";
import { endSignal } from "../running/end-signal.ts";

interface LogsFlags {
  readonly follow?: boolean;
  readonly lines?: number;
  readonly level?: string;
}

export function registerLogs(program: Command): void {
  program
    .command("logs")
    .description(
      "print what the daemon has said of late, or the last words of one in the background that has ended (then the exit status is 3); secrets are not in it",
    )
    .option("-f, --follow", "go on with what it says from now on")
    .option("-n, --lines <count>", "so many lines at most (default: 100)", integerOption("--lines", 0, 1000))
    .option("--level <level>", "debug, info, warn or error: this one and worse (default: all that is kept)")
    .action(async (flags: LogsFlags, command: Command) => {
      if (flags.level !== undefined && !Object.hasOwn(LOG_LEVELS, flags.level)) {
        throw new MeshError("bad-usage", `--level is ${LOG_LEVEL_NAMES.join(", ")}, not ${quote(flags.level)}`);
      }
      const options = await peerGlobals(command);
      const { localClient } = await import("../clients/local-client.ts");
      const { prettyLogLine } = await import("../../daemon/log/log-line.ts");
      const query = {
        ...(flags.lines === undefined ? {} : { lines: String(flags.lines) }),
        ...(flags.level === undefined ? {} : { level: flags.level }),
        ...(flags.follow === true ? { follow: "true" } : {}),
      };
      const show = (line: LogLine) => {
        if (options.json) printJsonLine(line);
        else if ("entry" in line) printLine(prettyLogLine(JSON.stringify(line.entry)));
        else printLine(`… ${line.skipped} lines were too fast for this reader`);
      };
      const stop = endSignal();
      let isHeard = false;
      try {
        for await (const line of localClient(options).logs(query, stop)) {
          isHeard = true;
          show(line);
        }
      } catch (failure) {
        if (stop.aborted) return;
        if (isHeard || !(failure instanceof MeshError) || failure.code !== "no-daemon") throw failure;
        const { logsRequestSchema } = await import("../../api/local-logs.ts");
        const { lastWords } = await import("../last-words.ts");
        const { entries, error } = await lastWords(options, logsRequestSchema.parse(query));
        for (const line of entries) show(line);
        throw error;
      }
    });
}
