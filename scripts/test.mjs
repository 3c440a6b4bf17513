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

/** Projects of tests that mostly wait, or do nothing else, and how many files of each at a time: they run beside the others. */
const WAITING = { beside: 3, realtime: 2 };

/** Every test. @returns the exit status */
async function everyTest() {
  const directory = await mkdtemp(join(tmpdir(), "mesh-test-"));
  try {
    const reportOf = (name) => join(directory, name);
    const waiting = Object.entries(WAITING).map(([name, workers]) =>
      vitest(["--project", name, `--maxWorkers=${workers}`, ...reportTo(reportOf(name))], { foreground: false }),
    );
    const others = await vitest(["--project", "unit", "--project", "lab", ...reportTo(reportOf("others"))], {
      foreground: true,
    });
    const waited = await Promise.all(waiting);
    for (const { output } of waited) process.stdout.write(output);
    const alone = await vitest(["--project", "alone", ...reportTo(reportOf("alone"))], { foreground: true });
    process.stdout.write(`${await countResults([...Object.keys(WAITING), "others", "alone"].map(reportOf))}\n`);
    return [others, ...waited, alone].find(({ status }) => status !== 0)?.status ?? 0;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

await runMain(async () => {
  const args = process.argv.slice(2);
  const onlyUnit = args.join(" ").match(/--project[ =]unit/) !== null && !args.join(" ").includes("lab");
  await setup({ for: onlyUnit ? ["build"] : ["test"] });
  const [isClean] = await Promise.all([check(), build()]);
  if (!isClean) return 1;
  return args.length === 0 ? everyTest() : (await vitest(args, { foreground: true })).status;
});
