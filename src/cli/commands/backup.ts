import type { Command } from "commander";
import { MeshError } from "../../base/errors.ts";
import { globalOptions } from "../options/globals.ts";
import { printJson, printLine } from "../output.ts";

export function registerBackup(program: Command): void {
  program
    .command("backup <file>")
    .description("write all that the coordinator keeps, its CA's private key among it, to a file (on its host)")
    .action(async (file: string, _flags: object, command: Command) => {
      const options = globalOptions(command);
      const [{ AdminClient }, { writeFileAtomic }, { errnoOf }] = await Promise.all([
        import("../clients/admin-client.ts"),
        import("../../host/atomic-file.ts"),
        import("../../base/errors.ts"),
      ]);
      const bytes = await (await AdminClient.open(options)).backup();
      try {
        await writeFileAtomic(file, bytes, { mode: 0o600 });
      } catch (cause) {
        throw new MeshError("bad-usage", `${file} cannot be written (${errnoOf(cause) ?? cause})`, { cause });
      }
      if (options.json) printJson({ file, sizeBytes: bytes.length });
      else {
        const { formatBytes } = await import("../views/format.ts");
        printLine(`${file} has it all (${formatBytes(bytes.length)}); whoever reads it can be the coordinator`);
      }
    });

  program
    .command("restore <file>")
    .description("make a backup the state of a coordinator that does not run (on its host)")
    .option("--yes", "replace the network that is there")
    .action(async (file: string, { yes }: { yes?: boolean }, command: Command) => {
      const options = globalOptions(command);
      const [{ coordinatorHome }, { restoreBackup }] = await Promise.all([
        import("../running/coordinator-home.ts"),
        import("../../coord/backup/restore.ts"),
      ]);
      const { home } = await coordinatorHome(options);
      const restored = await restoreBackup({ file, home: home.stateDirectory, replace: yes === true }, Date.now());
      if (options.json) printJson(restored);
      else {
        const { network, peers, backupAt, replaced } = restored;
        printLine(
          `the network ${network} with ${peers} peers is as it was at ${backupAt}; start it with \`mesh serve\``,
        );
        if (replaced !== null) printLine(`what was there before is ${replaced}`);
      }
    });
}
