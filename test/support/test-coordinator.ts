import { afterEach, beforeEach } from "vitest";
import type { CoordinatorDeps, CoordinatorOptions } from "../../src/coord/options.ts";
import { type AdminSocketClient, type CoordinatorClient, makeKeys, type TestKeys } from "./coordinator-client.ts";
import { type CoordinatorFixture, startCoordinator, temporaryHome } from "./coordinator-fixture.ts";

/** A coordinator over plain HTTP with a home of its own. */
export class TestCoordinator {
  readonly #options: Partial<CoordinatorOptions>;
  readonly #deps: CoordinatorDeps;
  #home: Awaited<ReturnType<typeof temporaryHome>> | undefined;
  #fixture: CoordinatorFixture | undefined;

  private constructor(options: Partial<CoordinatorOptions>, deps: CoordinatorDeps) {
    this.#options = { tls: "off", ...options };
    this.#deps = { ...deps, limits: { challengeBurst: 10_000, ...deps.limits } };
  }

  /** Another one for each test of the block. */
  static forEachTest(options: Partial<CoordinatorOptions> = {}, deps: CoordinatorDeps = {}): TestCoordinator {
    const coordinator = new TestCoordinator(options, deps);
    beforeEach(() => coordinator.#open());
    afterEach(() => coordinator.#close());
    return coordinator;
  }

  get home(): string {
    return this.#home!.path;
  }

  get client(): CoordinatorClient {
    return this.#fixture!.client;
  }

  get admin(): AdminSocketClient {
    return this.#fixture!.admin;
  }

  /** Another process on the same state. */
  async restart(): Promise<void> {
    await this.#fixture!.coordinator.close();
    await this.#start();
  }

  /** A peer that comes with such a token. */
  async join(name: string, token: object = {}): Promise<TestKeys> {
    const keys = makeKeys();
    await this.client.register(keys, name, (await this.admin.createToken(token)).token);
    return keys;
  }

  async #open(): Promise<void> {
    this.#home = await temporaryHome();
    await this.#start();
  }

  async #start(): Promise<void> {
    this.#fixture = await startCoordinator(this.home, this.#options, this.#deps);
  }

  async #close(): Promise<void> {
    await this.#fixture!.coordinator.close();
    await this.#home![Symbol.asyncDispose]();
  }
}
