import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { ScriptError } from "./console.mjs";

/**
 * Runs a program to its end, without a shell.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{cwd?: string, env?: NodeJS.ProcessEnv, show?: boolean, timeoutMs?: number}} [options] `show`: the program
 *   writes to our terminal and nothing is captured.
 * @returns {Promise<{status: number, stdout: string, stderr: string}>} a program ended by a signal has status 128
 */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: options.show ? ["ignore", "inherit", "inherit"] : ["ignore", "pipe", "pipe"],
      timeout: options.timeoutMs,
      killSignal: "SIGKILL",
    });
    let stdout = "";
    let stderr = "";
    child.stdout?.setEncoding("utf8").on("data", (text) => {
      stdout += text;
    });
    child.stderr?.setEncoding("utf8").on("data", (text) => {
      stderr += text;
    });
    child.on("error", reject);
    child.on("close", (status) => resolve({ status: status ?? 128, stdout, stderr }));
  });
}

/** As `run`; a status other than 0 throws with what the program said. */
export async function mustRun(command, args, options) {
  const result = await run(command, args, options);
  if (result.status !== 0) {
    const said = `${result.stderr}${result.stdout}`.trim().split("\n").slice(-12).join("\n");
    throw new ScriptError(`\`${[command, ...args].join(" ")}\` failed (status ${result.status})\n${said}`.trimEnd());
  }
  return result;
}

/** Where `command` stands on the PATH (and in the system directories that a user's PATH leaves out), or undefined. */
export function findCommand(command) {
  const directories = (process.env.PATH ?? "").split(delimiter).concat("/usr/local/sbin", "/usr/sbin", "/sbin");
  for (const directory of directories) {
    if (directory === "") continue;
    const path = join(directory, command);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here: the next directory may have it.
    }
  }
  return undefined;
}
