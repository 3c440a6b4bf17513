import { join } from "node:path";
import { afterEach, beforeEach, expect, vi } from "vitest";
import { runCli } from "../../src/cli/program.ts";
import type { CoordinatorOptions } from "../../src/coord/options.ts";
import { type CoordinatorFixture, startCoordinator, temporaryHome } from "./coordinator-fixture.ts";

/** The commands of a coordinator's host, in this process, and what they print. */
export class AdminConsole {
  #home: Awaited<ReturnType<typeof temporaryHome>> | undefined;
  #fixture: CoordinatorFixture | undefined;
  stdout = "";
  stderr = "";

  /** One with a coordinator and a home of its own for each test of the block. */
  static forEachTest(options: Partial<CoordinatorOptions> = {}): AdminConsole {
    const it = new AdminConsole();
    beforeEach(() => it.#open(options));
    afterEach(() => it.#close());
    return it;
  }

  get home(): string {
    return this.#home!.path;
  }

  get fixture(): CoordinatorFixture {
    return this.#fixture!;
  }

  /** The exit status. */
  run(...args: string[]): Promise<number> {
    this.stdout = "";
    this.stderr = "";
    return runCli(["--home", this.home, ...args]);
  }

  /** What a command prints that comes to a good end and has nothing to complain of. */
  async mesh(...args: string[]): Promise<string> {
    expect([await this.run(...args), this.stderr]).toEqual([0, ""]);
    return this.stdout;
  }

  async fails(...args: string[]): Promise<[exit: number, code: string]> {
    const exit = await this.run("--json", ...args);
    expect(this.stdout).toBe("");
    return [exit, JSON.parse(this.stderr).error.code];
  }

  async #open(options: Partial<CoordinatorOptions>): Promise<void> {
    this.#home = await temporaryHome();
    const adminSocketPath = join(this.home, "run", "coordinator.sock");
    this.#fixture = await startCoordinator(this.home, { tls: "off", adminSocketPath, ...options });
    vi.spyOn(process.stdout, "write").mockImplementation((text) => {
      this.stdout += text;
      return true;
    });
    vi.spyOn(process.stderr, "write").mockImplementation((text) => {
      this.stderr += text;
      return true;
    });
  }

  async #close(): Promise<void> {
    vi.restoreAllMocks();
    await this.fixture.coordinator.close();
    await this.#home![Symbol.asyncDispose]();
  }
}
