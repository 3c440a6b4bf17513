import type { Command } from "commander";
import type { ExplainRequest } from "../../api/explain.ts";
import { ExitStatus } from "../../base/errors.ts";
import type { ExitHolder } from "../exit-holder.ts";
import { peerGlobals } from "../options/peer-globals.ts";
import { printJson, printLine } from "../output.ts";

export interface ExplainFlags {
  readonly ipv6?: boolean;
}

export function registerExplain(program: Command, exit: ExitHolder): void {
  program
    .command("explain <ends...>")
    .usage("[options] [SRC] DST[:PORT[/PROTO]]")
    .description("say what becomes of a connection, layer by layer at both ends: 0 delivered, 1 not, 5 no such name")
    .option("-6, --ipv6", "of names, take the IPv6 address")
    .action(async (ends: readonly string[], flags: ExplainFlags, command: Command) => {
      const { explainRequest, parseEnds } = await import("../options/explain-options.ts");
      await printExplanation(explainRequest(parseEnds(ends), flags), command, exit);
    });
}

/** Asks the daemon, prints what it says; the exit status is the verdict's. */
export async function printExplanation(request: ExplainRequest, command: Command, exit: ExitHolder): Promise<void> {
  const options = await peerGlobals(command);
  const { localClient } = await import("../clients/local-client.ts");
  const explanation = await localClient(options).explain(request);
  const { renderExplanation } = await import("../views/explain-view.ts");
  if (options.json) printJson(explanation);
  else printLine(renderExplanation(explanation));
  if (explanation.verdict === "delivered") return;
  exit.status = explanation.by === "dns" ? ExitStatus.notFound : ExitStatus.failed;
}
