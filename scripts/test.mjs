#!/usr/bin/env node
// `npm test`: set-up, static checks, build, and every test. Arguments go to vitest:
//
//   npm test -- --project unit           tests that touch next to nothing of the machine
//   npm test -- test/lab/roaming.test.ts one file
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "./build.mjs";
import { check } from "./check.mjs";
import { runMain } from "./lib/console.mjs";
import { projectRoot } from "./lib/project.mjs";
import { setup } from "./setup.mjs";

/**
 * Runs vitest. In the foreground it prints as it goes; in the background what it prints is returned.
 * @param {string[]} args
 * @param {{foreground: boolean}} how
 * @returns {Promise<{status: number, output: string}>}
 */
function vitest(args, { foreground }) {
  return new Promise((resolve, reject) => {
    const program = join(projectRoot, "node_modules/vitest/vitest.mjs");
    const stdio = foreground ? "inherit" : ["ignore", "pipe", "pipe"];
    const runner = spawn(process.execPath, [program, "run", ...args], { cwd: projectRoot, stdio });
    const output = [];
    for (const stream of [runner.stdout, runner.stderr]) stream?.on("data", (chunk) => output.push(chunk));
    // vitest gets the terminal's Ctrl-C by itself and cleans its labs up; we stay to hand its status on.
    const stay = () => {};
    const pass = () => runner.kill("SIGTERM");
    process.on("SIGINT", stay);
    process.on("SIGTERM", pass);
    runner.on("error", reject);
    runner.on("close", (status) => {
      process.off("SIGINT", stay);
      process.off("SIGTERM", pass);
      resolve({ status: status ?? 1, output: Buffer.concat(output).toString() });
    });
  });
}

/** Every test; those of the project `beside` mostly wait. @returns the exit status */
async function everyTest() {
  const directory = await mkdtemp(join(tmpdir(), "mesh-test-"));
  try {
    const report = (name) => ["--reporter=default", "--reporter=json", `--outputFile.json=${join(directory, name)}`];
    const waiting = vitest(["--project", "beside", ...report("beside")], { foreground: false });
    const others = await vitest(["--project", "unit", "--project", "lab", ...report("others")], { foreground: true });
    const { status, output } = await waiting;
    process.stdout.write(output);
    const counts = await Promise.all(["others", "beside"].map((name) => readCounts(join(directory, name))));
    const [passed, failed] = [0, 1].map((i) => counts.reduce((sum, each) => sum + each[i], 0));
    process.stdout.write(`${passed} passed, ${failed} failed\n`);
    return others.status || status;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** @returns {Promise<[number, number]>} tests passed and failed; a run that broke off counts as one failure */
async function readCounts(path) {
  try {
    const { numPassedTests, numFailedTests } = JSON.parse(await readFile(path, "utf8"));
    return [numPassedTests, numFailedTests];
  } catch {
    return [0, 1];
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
