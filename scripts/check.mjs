#!/usr/bin/env node
// The static checks: format and lint (Biome), types (tsc), unused files, exports and dependencies (knip).
import { join } from "node:path";
import { detail, isMain, problem, runMain, step } from "./lib/console.mjs";
import { run } from "./lib/process.mjs";
import { projectRoot } from "./lib/project.mjs";

const CHECKS = [
  { name: "Biome", program: "@biomejs/biome/bin/biome", args: ["check", "--error-on-warnings", "."] },
  { name: "tsc", program: "typescript/bin/tsc", args: ["-p", "tsconfig.json"] },
  { name: "knip", program: "knip/bin/knip.js", args: [] },
];

/** Runs every check, also after one has failed. @returns {Promise<boolean>} whether all passed */
export async function check() {
  step(`Checking: ${CHECKS.map((each) => each.name).join(", ")}`);
  let passed = true;
  for (const { name, program, args } of CHECKS) {
    const path = join(projectRoot, "node_modules", program);
    const result = await run(process.execPath, [path, ...args], { cwd: projectRoot });
    if (result.status === 0) continue;
    passed = false;
    problem(`${name} reports:\n${`${result.stdout}${result.stderr}`.trim()}`);
  }
  if (passed) detail("all clean");
  return passed;
}

if (isMain(import.meta.url)) await runMain(async () => ((await check()) ? 0 : 1));
