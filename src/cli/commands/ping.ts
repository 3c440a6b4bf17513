import type { Command } from "commander";
import type { PingReply } from "../../api/local.ts";
import { MeshError } from "../../base/errors.ts";
import { formatRtt } from "../format.ts";
import { integerOption } from "../option-parsers.ts";
import { printJsonLine, printLine } from "../output.ts";
import { peerGlobals } from "../peer-globals.ts";

const DEFAULT_COUNT = 4;

export function registerPing(program: Command): void {
  program
    .command("ping <peer>")
    .description("measure the round trip to a peer through its WireGuard session, and show the path")
    .option("-c, --count <n>", "how many (0: until interrupted)", integerOption("--count", 0, 1_000_000))
    .action(async (peer: string, { count }: { count?: number }, command: Command) => {
      const options = await peerGlobals(command);
      const { localClient } = await import("../local-client.ts");
      const interrupted = new AbortController();
      const stop = () => interrupted.abort();
      process.once("SIGINT", stop);
      process.once("SIGTERM", stop);
      const summary = { sent: 0, answered: 0, lastError: "" };
      try {
        const request = { peer, count: count ?? DEFAULT_COUNT };
        for await (const reply of localClient(options).ping(request, interrupted.signal)) {
          summary.sent++;
          if ("rttMs" in reply) summary.answered++;
          else summary.lastError = reply.error;
          if (options.json) printJsonLine(reply);
          else printLine(describe(reply));
        }
      } catch (failure) {
        if (!interrupted.signal.aborted) throw failure;
      } finally {
        process.off("SIGINT", stop);
        process.off("SIGTERM", stop);
      }
      if (!options.json && summary.sent > 1) printLine(`${summary.answered} of ${summary.sent} answered`);
      if (summary.answered === 0 && summary.sent > 0) {
        throw new MeshError("timeout", `${peer} does not answer: ${summary.lastError}`, {
          hint: "See `mesh status` for its path.",
        });
      }
    });
}

function describe(reply: PingReply): string {
  if ("error" in reply) return `seq ${reply.seq}  ${reply.peer}  ${reply.error}`;
  return `seq ${reply.seq}  ${reply.peer}  ${formatRtt(reply.rttMs)}  ${reply.transport} ${reply.endpoint}`;
}
