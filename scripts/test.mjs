#!/usr/bin/env node
// `npm test`: set-up, static checks, build, and every test but the soak. Arguments go to vitest:
//
//   npm test -- --project unit           tests that touch next to nothing of the machine
//   npm test -- test/lab/roaming.test.ts one file
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "./build.mjs";
import { check } from "./check.mjs";
import { runMain } from "./lib/console.mjs";
import { countResults, reportTo, vitest } from "./lib/vitest.mjs";
import { setup } from "./setup.mjs";

/** Every test; those of the project `beside` mostly wait. @returns the exit status */
async function everyTest() {
  const directory = await mkdtemp(join(tmpdir(), "mesh-test-"));
  try {
    const reports = ["beside", "others"].map((name) => join(directory, name));
    const waiting = vitest(["--project", "beside", ...reportTo(reports[0])], { foreground: false });
    const others = await vitest(["--project", "unit", "--project", "lab", ...reportTo(reports[1])], {
      foreground: true,
    });
    const { status, output } = await waiting;
    process.stdout.write(output);
    process.stdout.write(`${await countResults(reports)}\n`);
    return others.status || status;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

await runMain(async () => {
  const args = process.argv.slice(2);
  const onlyUnit = args.join(" ").match(/--project[ =]unit/) !== null && !args.join(" ").includes("lab");
  await setup({ for: onlyUnit ? ["build"] : ["test"] });
  if (!(await check())) return 1;
  await build();
  return args.length === 0 ? everyTest() : (await vitest(args, { foreground: true })).status;
});
