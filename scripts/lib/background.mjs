import { spawn } from "node:child_process";
import { once } from "node:events";
import { ScriptError } from "./console.mjs";

const STOP_TIMEOUT_MS = 10_000;

/** A program that runs beside the script, with its output kept. */
export class Background {
  #child;
  #ended;
  #output = "";
  #title;

  /** @param {(line: string) => void} [onLine] gets each line of its output */
  constructor(title, command, args, onLine) {
    this.#title = title;
    // Its own process group: the terminal's Ctrl-C reaches us alone, and we end it in order.
    this.#child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], detached: true });
    this.#ended = new Promise((resolve) => this.#child.once("close", resolve));
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      let rest = "";
      stream.setEncoding("utf8").on("data", (text) => {
        this.#output += text;
        this.#child.emit("said");
        const lines = (rest + text).split("\n");
        rest = lines.pop();
        if (onLine !== undefined) lines.forEach(onLine);
      });
    }
    this.#child.on("error", (error) => {
      this.#output += String(error);
    });
  }

  get pid() {
    return this.#child.pid;
  }

  get isRunning() {
    return this.#child.exitCode === null && this.#child.signalCode === null && this.#child.pid !== undefined;
  }

  /** The first match in its output, of now or of what comes. @throws ScriptError when it ends or stays silent */
  async waitFor(pattern, timeoutMs = 20_000) {
    const limit = AbortSignal.timeout(timeoutMs);
    for (;;) {
      const match = pattern.exec(this.#output);
      if (match !== null) return match;
      if (!this.isRunning) throw new ScriptError(`${this.#title} ended:\n${this.#output.trim()}`);
      try {
        await Promise.race([once(this.#child, "said", { signal: limit }), this.#ended]);
      } catch {
        throw new ScriptError(`${this.#title} does not get ready in ${timeoutMs} ms:\n${this.#output.trim()}`);
      }
    }
  }

  /** SIGTERM, and SIGKILL for one that does not listen. */
  async stop() {
    if (!this.isRunning) return;
    this.#child.kill("SIGTERM");
    const killer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await this.#ended;
    clearTimeout(killer);
  }
}
