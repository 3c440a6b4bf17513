import { resolve } from "node:path";
import type { Command } from "commander";
import { peerGlobals } from "../options/peer-globals.ts";
import { printJson, printLine } from "../output.ts";

interface BugReportFlags {
  readonly output?: string;
  readonly addresses?: boolean;
}

export function registerBugReport(program: Command): void {
  program
    .command("bugreport")
    .description(
      "write all that helps to find a fault to a new file: status, paths, settings, log, host; no secrets (docs/bug-reports.md)",
    )
    .option("-o, --output <file>", "where to (default: mesh-bugreport-NETWORK-TIME.json, here)")
    .option("--addresses", "leave public IP addresses in it")
    .action(async ({ output, addresses = false }: BugReportFlags, command: Command) => {
      const options = await peerGlobals(command);
      const [{ fetchBugReport, reportFileName }, { writeNewFile }] = await Promise.all([
        import("../bug-report.ts"),
        import("../new-file.ts"),
      ]);
      const file = resolve(output ?? reportFileName(options, new Date()));
      const { noDaemon, sizeBytes } = await writeNewFile(file, async (write) => {
        const report = await fetchBugReport(options, { addresses });
        const text = `${JSON.stringify(report, null, 1)}\n`;
        await write(text);
        return { noDaemon: report.noDaemon, sizeBytes: Buffer.byteLength(text) };
      });
      if (options.json) return printJson({ file, sizeBytes, noDaemon, addresses });
      const { formatBytes } = await import("../views/format.ts");
      if (noDaemon !== null) printLine(`${noDaemon}: the report has what the disk says`);
      printLine(`${file} (${formatBytes(sizeBytes)}) can be read by you alone`);
      const others = addresses ? "public addresses are in it" : "public addresses are numbered";
      printLine(`secrets are left out, ${others}; names of peers and networks are in it: look before you pass it on`);
    });
}
