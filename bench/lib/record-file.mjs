import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { projectRoot } from "../../scripts/lib/project.mjs";

/**
 * Writes what a benchmark recorded as JSON.
 * @param {string} benchmark its name, part of the file's
 * @param {{at: string}} record `at` is an ISO instant, part of the file's name
 * @param {string | undefined} file where to, if not to `bench/results`
 * @returns {string} the file
 */
export function writeRecord(benchmark, record, file) {
  const stamp = record.at.replaceAll(":", "-").slice(0, 19);
  const path = file ?? join(projectRoot, `bench/results/${benchmark}-${stamp}.json`);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(record, undefined, 2)}\n`);
  return path;
}
