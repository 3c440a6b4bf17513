import { execFile } from "node:child_process";

/** What a program that ran to its end left. */
export interface CommandResult {
  /** Exit status; a failure is an answer here, not an exception. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program without a shell, with `input` on its standard input. Rejects only when it could not be run at all (`ENOENT`)
 * or did not end by itself.
 */
export type CommandRunner = (program: string, args: readonly string[], input?: string) => Promise<CommandResult>;

/** A full routing table of a router, as JSON. */
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;

/** @param options `timeoutMs`: after this the program is killed, which rejects */
export function commandRunner(options: { readonly timeoutMs: number }): CommandRunner {
  return (program, args, input) =>
    new Promise((resolve, reject) => {
      const settings = {
        timeout: options.timeoutMs,
        maxBuffer: MAX_OUTPUT_BYTES,
        // Messages are matched in places, so they must not be translated.
        env: { ...process.env, LC_ALL: "C" },
      };
      const child = execFile(program, args, settings, (failure, stdout, stderr) => {
        if (failure === null) resolve({ status: 0, stdout, stderr });
        else if (typeof failure.code === "number") resolve({ status: failure.code, stdout, stderr });
        else reject(failure);
      });
      // A program that ends without reading it all says why by its status.
      child.stdin?.on("error", () => undefined).end(input);
    });
}

export const systemCommandRunner = commandRunner({ timeoutMs: 20_000 });
