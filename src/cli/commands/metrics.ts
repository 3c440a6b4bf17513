import type { Command } from "commander";
import { peerGlobals } from "../options/peer-globals.ts";
import { printJson } from "../output.ts";

export function registerMetrics(program: Command): void {
  program
    .command("metrics")
    .description("print what the daemon counts, in Prometheus's text format (docs/metrics.md)")
    .action(async (_flags: object, command: Command) => {
      const options = await peerGlobals(command);
      const { localClient } = await import("../clients/local-client.ts");
      const { metrics } = await localClient(options).metrics();
      if (options.json) {
        printJson(metrics);
        return;
      }
      const { formatMetrics } = await import("../../base/metrics.ts");
      process.stdout.write(formatMetrics(metrics));
    });
}
