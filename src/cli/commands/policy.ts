import { readFile } from "node:fs/promises";
import { text as textOf } from "node:stream/consumers";
import type { Command } from "commander";
import { errnoOf, MeshError } from "../../base/errors.ts";
import type { ExitHolder } from "../exit-holder.ts";
import { globalOptions } from "../globals.ts";
import { printJson, printLine } from "../output.ts";

export function registerPolicy(program: Command, exit: ExitHolder): void {
  const policy = program.command("policy").description("who may reach whom, put to the test (docs/policy-test.md)");
  policy
    .command("test [file]")
    .description("check assertions such as `accept humans -> db:5432/tcp`; exit status 1 where one does not hold")
    .action(async (file: string | undefined, _flags: object, command: Command) => {
      const options = globalOptions(command);
      const text = await readAssertions(file);
      const { AdminClient } = await import("../admin-client.ts");
      const report = await (await AdminClient.open(options)).testPolicy(text);
      const { renderPolicyReport } = await import("../policy-view.ts");
      if (options.json) printJson(report);
      else printLine(renderPolicyReport(report));
      if (!report.holds) exit.status = 1;
    });
}

/** Without a file, or with `-`, standard input. @throws MeshError `not-found`, `not-permitted`, `bad-usage` */
async function readAssertions(file = "-"): Promise<string> {
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
