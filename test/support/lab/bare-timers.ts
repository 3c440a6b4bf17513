import { fileURLToPath } from "node:url";
import { LabProcess } from "./lab-process.ts";

const script = fileURLToPath(new URL("./bare-timers.mjs", import.meta.url));

/** How late the timers of a process come that does nothing else: the machine's share of what is measured elsewhere. */
export class BareTimers implements AsyncDisposable {
  readonly #process: LabProcess;
  #readings = 0;

  private constructor(process: LabProcess) {
    this.#process = process;
  }

  static async start(): Promise<BareTimers> {
    return new BareTimers(await LabProcess.start("bare timers", process.execPath, [script]));
  }

  /** Since the reading before. */
  async meanDelayMs(): Promise<number> {
    this.#process.write("\n");
    this.#readings++;
    const [, mean] = await this.#process.waitForOutput(new RegExp(`^(?:.*\\n){${this.#readings - 1}}(.*)\\n`));
    return Number(mean);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process.kill();
  }
}
