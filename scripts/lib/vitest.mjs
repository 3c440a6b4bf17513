import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { projectRoot } from "./project.mjs";

/**
 * Runs vitest. In the foreground it prints as it goes; in the background what it prints is returned.
 * @param {string[]} args
 * @param {{foreground: boolean}} how
 * @returns {Promise<{status: number, output: string}>}
 */
export function vitest(args, { foreground }) {
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

/** Arguments with which vitest also writes what `countResults` reads. */
export const reportTo = (file) => ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];

/**
 * @param {string[]} reports files written through `reportTo`
 * @returns {Promise<string>} "N passed, N failed" over all of them; a run that broke off counts as one failure
 */
export async function countResults(reports) {
  const counts = await Promise.all(reports.map(readCounts));
  const [passed, failed] = [0, 1].map((i) => counts.reduce((sum, each) => sum + each[i], 0));
  return `${passed} passed, ${failed} failed`;
}

async function readCounts(path) {
  try {
    const { numPassedTests, numFailedTests } = JSON.parse(await readFile(path, "utf8"));
    return [numPassedTests, numFailedTests];
  } catch {
    return [0, 1];
  }
}
