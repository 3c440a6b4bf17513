import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";

/** Enough to see what went wrong, and a chatty daemon does not fill the memory of the test. */
const MAX_OUTPUT_CHARS = 4 * 1024 * 1024;
const TAIL_LINES = 40;

/** A program that runs beside the test, with its output kept. */
export class LabProcess implements AsyncDisposable {
  readonly title: string;
  readonly pid: number;
  /** Exit status; 128 and the number of the signal that ended it, as in a shell. */
  readonly exited: Promise<number>;
  stdout = "";
  stderr = "";
  readonly #child: ChildProcess;
  readonly #watchers = new Set<() => void>();
  #status: number | undefined;

  private constructor(title: string, child: ChildProcess, pid: number) {
    this.title = title;
    this.pid = pid;
    this.#child = child;
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout = (this.stdout + text).slice(-MAX_OUTPUT_CHARS);
      this.#wake();
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr = (this.stderr + text).slice(-MAX_OUTPUT_CHARS);
      this.#wake();
    });
    this.exited = new Promise((resolve) => {
      child.once("close", (status, signal) => {
        this.#status = status ?? 128 + constants.signals[signal!];
        this.#wake();
        resolve(this.#status);
      });
    });
  }

  static async start(
    title: string,
    program: string,
    args: readonly string[],
    options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string } = {},
  ): Promise<LabProcess> {
    const child = spawn(program, args, { ...options, stdio: ["pipe", "pipe", "pipe"] });
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", reject);
    });
    // A program that ends while we still write to it is no failure of the test by itself.
    child.stdin?.on("error", () => undefined);
    return new LabProcess(title, child, child.pid!);
  }

  get isRunning(): boolean {
    return this.#status === undefined;
  }

  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  closeInput(): void {
    this.#child.stdin?.end();
  }

  /** The first match in stdout or stderr, of now or of what comes; fails when the program ends without it. */
  async waitForOutput(pattern: RegExp, timeoutMs = 15_000): Promise<RegExpExecArray> {
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
      if (match !== null) return match;
      if (!this.isRunning) throw new Error(`${this.title} ended (${this.#status}) without ${pattern}\n${this.tail()}`);
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) throw new Error(`${this.title} does not say ${pattern} in ${timeoutMs} ms\n${this.tail()}`);
      await this.#nextChange(leftMs);
    }
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Asks the program to end and waits for it; one that does not in time is killed, which is a failure. */
  async stop(name: NodeJS.Signals = "SIGTERM", timeoutMs = 10_000): Promise<number> {
    if (this.#status !== undefined) return this.#status;
    this.#child.kill(name);
    let isLate = false;
    const killer = setTimeout(() => {
      isLate = true;
      this.#child.kill("SIGKILL");
    }, timeoutMs);
    const status = await this.exited;
    clearTimeout(killer);
    if (isLate) throw new Error(`${this.title} did not end within ${timeoutMs} ms of ${name}\n${this.tail()}`);
    return status;
  }

  /** As a power cut: no word of warning. */
  async kill(): Promise<void> {
    if (!this.isRunning) return;
    this.#child.kill("SIGKILL");
    await this.exited;
  }

  /** The last lines of its output, for messages. */
  tail(): string {
    const last = (text: string) => text.trimEnd().split("\n").slice(-TAIL_LINES).join("\n");
    return `--- ${this.title}: stdout\n${last(this.stdout)}\n--- ${this.title}: stderr\n${last(this.stderr)}`;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }

  #wake(): void {
    for (const watcher of this.#watchers) watcher();
  }

  #nextChange(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#watchers.delete(done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.#watchers.add(done);
    });
  }
}
