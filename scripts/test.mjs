#!/usr/bin/env node
// `npm test`: set-up, static checks, build, and every test. Arguments go to vitest:
//
//   npm test -- --project unit           tests that touch next to nothing of the machine
//   npm test -- test/lab/roaming.test.ts one file
import { spawn } from "node:child_process";
import { join } from "node:path";
import { build } from "./build.mjs";
import { check } from "./check.mjs";
import { runMain } from "./lib/console.mjs";
import { projectRoot } from "./lib/project.mjs";
import { setup } from "./setup.mjs";

/** Runs vitest in the foreground; its own summary is the last thing that is printed. @returns its exit status */
function vitest(args) {
  return new Promise((resolve, reject) => {
    const program = join(projectRoot, "node_modules/vitest/vitest.mjs");
    const runner = spawn(process.execPath, [program, "run", ...args], { cwd: projectRoot, stdio: "inherit" });
    // vitest gets the terminal's Ctrl-C by itself and cleans its labs up; we stay to hand its status on.
    const stay = () => {};
    const pass = () => runner.kill("SIGTERM");
    process.on("SIGINT", stay);
    process.on("SIGTERM", pass);
    runner.on("error", reject);
    runner.on("close", (status) => {
      process.off("SIGINT", stay);
      process.off("SIGTERM", pass);
      resolve(status ?? 1);
    });
  });
}

await runMain(async () => {
  const args = process.argv.slice(2);
  const onlyUnit = args.join(" ").match(/--project[ =]unit/) !== null && !args.join(" ").includes("lab");
  await setup({ for: onlyUnit ? ["build"] : ["test"] });
  if (!(await check())) return 1;
  await build();
  return vitest(args);
});
