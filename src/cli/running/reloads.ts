import { asMeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { notifyService } from "../../daemon/sd-notify.ts";

/**
 * Has the configuration read again when that is asked for, one time after the other, and tells the service manager. What
 * cannot be taken up is an error in the log, and changes nothing.
 */
export class Reloads {
  readonly #logger: Logger;
  #read: (() => Promise<void>) | undefined;
  #isAsked = false;
  #turn: Promise<void> = Promise.resolve();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Before `serve`: there is nothing yet that could take it up, and it waits. Twice while one goes on is once after it. */
  ask(): void {
    this.#isAsked = true;
    this.#turn = this.#turn.then(() => this.#reload());
  }

  serve(read: () => Promise<void>): void {
    this.#read = read;
    this.#turn = this.#turn.then(() => this.#reload());
  }

  /** Begins none from now on, and waits for the one that goes on. */
  async close(): Promise<void> {
    this.#read = undefined;
    await this.#turn;
  }

  async #reload(): Promise<void> {
    if (this.#read === undefined || !this.#isAsked) return;
    this.#isAsked = false;
    // sd_notify(3); the time is what Type=notify-reload wants of it.
    notifyService(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
    try {
      await this.#read();
    } catch (thrown) {
      const { code, message } = asMeshError(thrown);
      this.#logger.error({ code }, `the configuration is not taken up, and what was in force is: ${message}`);
    }
    notifyService("READY=1");
  }
}
