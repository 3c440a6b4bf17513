/**
 * Loaded before a program of ours (`node --import URL`): it kills itself, as by a power cut, at the n-th of the steps at which
 * it changes its host: before and after each line of a journal reaches the disk, each program that it runs, each file that it
 * puts in another's place and each kernel setting that it writes.
 *
 *     file:///…/die-at-step.mjs?step=17
 *
 * One that comes to its end says on stderr how many steps there were: `host steps: 93`.
 */
import childProcess from "node:child_process";
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { isMainThread } from "node:worker_threads";

const last = Number(new URL(import.meta.url).searchParams.get("step"));
let step = 0;

function pass() {
  step++;
  if (step === last) process.kill(process.pid, "SIGKILL");
}

/** Both moments of a call that returns a promise. */
const around = (call) =>
  async function (...args) {
    pass();
    const result = await call.apply(this, args);
    pass();
    return result;
  };

if (isMainThread) {
  const probe = await fs.open(process.execPath);
  const handle = Object.getPrototypeOf(probe);
  await probe.close();
  handle.datasync = around(handle.datasync);
  fs.rename = around(fs.rename);
  fs.writeFile = around(fs.writeFile);
  const { execFile } = childProcess;
  childProcess.execFile = (program, args, options, done) => {
    pass();
    return execFile(program, args, options, (...outcome) => {
      pass();
      done(...outcome);
    });
  };
  syncBuiltinESMExports();
  process.on("exit", () => process.stderr.write(`host steps: ${step}\n`));
}
