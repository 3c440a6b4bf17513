import type { Command } from "commander";
import type { PingReply } from "../../api/local.ts";
import { parseDurationSeconds } from "../../base/duration.ts";
import { MeshError } from "../../base/errors.ts";
import { integerOption } from "../options/option-parsers.ts";
import { peerGlobals } from "../options/peer-globals.ts";
import { printJsonLine, printLine } from "../output.ts";
import { formatRtt } from "../views/format.ts";

const DEFAULT_COUNT = 4;
/** A direct path is found within this, if at all, as long as neither end changes its network. */
const DIRECT_LIMIT_SECONDS = 30;

interface PingFlags {
  readonly count?: number;
  readonly untilDirect?: boolean;
  readonly timeout?: number;
}

export function registerPing(program: Command): void {
  program
    .command("ping <peer>")
    .description("measure the round trip to a peer through its WireGuard session, and show the path")
    .option(
      "-c, --count <n>",
      "how many, 0 until interrupted (default: 4; with --until-direct as many as fit into its time)",
      integerOption("--count", 0, 1_000_000),
    )
    .option("--until-direct", "stop at the first answer over UDP; exit status 7 when none comes")
    .option(
      "--timeout <duration>",
      "stop after this time in all (default: none; with --until-direct and no --count: 30s)",
      parseDurationSeconds,
    )
    .action(async (peer: string, flags: PingFlags, command: Command) => {
      const options = await peerGlobals(command);
      const { localClient } = await import("../clients/local-client.ts");
      const untilDirect = flags.untilDirect === true;
      const count = flags.count ?? (untilDirect || flags.timeout !== undefined ? 0 : DEFAULT_COUNT);
      const limitSeconds =
        flags.timeout ?? (untilDirect && flags.count === undefined ? DIRECT_LIMIT_SECONDS : undefined);
      const interrupted = new AbortController();
      const stop = () => interrupted.abort();
      process.once("SIGINT", stop);
      process.once("SIGTERM", stop);
      const timer = limitSeconds === undefined ? undefined : setTimeout(stop, limitSeconds * 1000);
      const summary: Summary = { sent: 0, answered: 0, lastError: "", lastTransport: "" };
      let isDirect = false;
      try {
        for await (const reply of localClient(options).ping({ peer, count }, interrupted.signal)) {
          takeInto(summary, reply);
          if (options.json) printJsonLine(reply);
          else printLine(describe(reply));
          isDirect = "rttMs" in reply && reply.transport === "udp";
          if (untilDirect && isDirect) break;
        }
      } catch (failure) {
        if (!interrupted.signal.aborted) throw failure;
      } finally {
        clearTimeout(timer);
        process.off("SIGINT", stop);
        process.off("SIGTERM", stop);
      }
      if (!options.json && summary.sent > 1) printLine(`${summary.answered} of ${summary.sent} answered`);
      conclude(peer, summary, untilDirect && !isDirect);
    });
}

interface Summary {
  sent: number;
  answered: number;
  lastError: string;
  lastTransport: string;
}

function takeInto(summary: Summary, reply: PingReply): void {
  summary.sent++;
  if ("error" in reply) {
    summary.lastError = reply.error;
    return;
  }
  summary.answered++;
  summary.lastTransport = reply.transport;
}

/** @throws MeshError `timeout` when what was waited for has not come */
function conclude(peer: string, { sent, answered, lastError, lastTransport }: Summary, missesDirect: boolean): void {
  if (answered === 0 && (sent > 0 || missesDirect)) {
    throw new MeshError("timeout", `${peer} does not answer: ${lastError || "no answer in the time given"}`, {
      hint: "See `mesh status` for its path.",
    });
  }
  if (!missesDirect) return;
  throw new MeshError("timeout", `${peer} answers by ${lastTransport}, but not by UDP`, {
    hint: `\`mesh paths ${peer}\` tells what became of each candidate, \`mesh netcheck\` what this network lets through.`,
  });
}

function describe(reply: PingReply): string {
  if ("error" in reply) return `seq ${reply.seq}  ${reply.peer}  ${reply.error}`;
  return `seq ${reply.seq}  ${reply.peer}  ${formatRtt(reply.rttMs)}  ${reply.transport} ${reply.endpoint}`;
}
