import { readFile } from "node:fs/promises";
import { text as textOf } from "node:stream/consumers";
import type { Command } from "commander";
import type { ProposedChange } from "../../api/policy-test.ts";
import { errnoOf, MeshError } from "../../base/errors.ts";
import { openAdmin } from "../clients/open-admin.ts";
import type { ExitHolder } from "../exit-holder.ts";
import { globalOptions } from "../options/globals.ts";
import { printJson, printLine } from "../output.ts";

export function registerPolicy(program: Command, exit: ExitHolder): void {
  const policy = program.command("policy").description("who may reach whom, put to the test (docs/policy-test.md)");
  policy
    .command("test [file]")
    .description("check assertions such as `accept humans -> db:5432/tcp`; exit status 1 where one does not hold")
    .option("--proposed <changes>", "as if these were made: a file of admin commands, one a line, without `mesh`")
    .action(async (file: string | undefined, { proposed: changes }: { proposed?: string }, command: Command) => {
      const options = globalOptions(command);
      if (changes === "-" && (file ?? "-") === "-") {
        throw new MeshError("bad-usage", "assertions and changes cannot both come from standard input");
      }
      const text = await readText(file);
      const proposed = changes === undefined ? undefined : await readChanges(changes);
      const client = await openAdmin(options);
      const report = await client.testPolicy({ text, ...(proposed === undefined ? {} : { proposed }) });
      const { renderPolicyReport } = await import("../views/policy-view.ts");
      if (options.json) printJson(report);
      else printLine(renderPolicyReport(report));
      if (!report.holds) exit.status = 1;
    });
}

/** @throws MeshError as `readText`, `bad-changes` */
async function readChanges(file: string): Promise<ProposedChange[]> {
  const { parseChanges } = await import("../proposed-changes.ts");
  return parseChanges(await readText(file));
}

/** Without a file, or with `-`, standard input. @throws MeshError `not-found`, `not-permitted`, `bad-usage` */
async function readText(file = "-"): Promise<string> {
  if (file === "-") return textOf(process.stdin);
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === "ENOENT" || errno === "ENOTDIR") {
      throw new MeshError("not-found", `there is no file ${file}`, { cause });
    }
    if (errno === "EISDIR") throw new MeshError("bad-usage", `${file} is no file`, { cause });
    throw new MeshError("not-permitted", `${file} cannot be read (${errno})`, { cause });
  }
}
