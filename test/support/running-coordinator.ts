import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TokenCreated, tokenCreatedSchema } from "../../src/api/admin.ts";
import { Coordinator } from "../../src/coord/coordinator.ts";
import type { CoordinatorDeps } from "../../src/coord/options.ts";

/** A real coordinator on a free port of the loopback, with a home of its own that goes with it. */
export class RunningCoordinator implements AsyncDisposable {
  readonly home: string;
  readonly #port: number;
  readonly #deps: CoordinatorDeps;
  #coordinator: Coordinator;

  private constructor(home: string, coordinator: Coordinator, deps: CoordinatorDeps) {
    this.home = home;
    this.#deps = deps;
    this.#coordinator = coordinator;
    this.#port = coordinator.addresses[0]?.port ?? 0;
  }

  static async start(deps: CoordinatorDeps = {}): Promise<RunningCoordinator> {
    const home = mkdtempSync(join(tmpdir(), "mesh-coord-"));
    return new RunningCoordinator(home, await Coordinator.start({ home, listen: ["127.0.0.1:0"] }, deps), deps);
  }

  get url(): string {
    return `https://127.0.0.1:${this.#port}`;
  }

  get coordinator(): Coordinator {
    return this.#coordinator;
  }

  get caFingerprint(): string {
    return this.#coordinator.caFingerprint ?? "";
  }

  async stop(): Promise<void> {
    await this.#coordinator.close();
  }

  /** Again on the same port and state. */
  async startAgain(): Promise<void> {
    this.#coordinator = await Coordinator.start({ home: this.home, listen: [`127.0.0.1:${this.#port}`] }, this.#deps);
  }

  async createToken(fields: object = {}): Promise<TokenCreated> {
    return tokenCreatedSchema.parse(await this.admin("POST", "/v1/admin/tokens", fields));
  }

  admin(method: string, path: string, body?: object): Promise<unknown> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = text === undefined ? {} : { "content-type": "application/json" };
    return new Promise((resolve, reject) => {
      const call = request(
        { socketPath: this.#coordinator.adminSocketPath, method, path, headers, agent: false },
        (response) => {
          let answer = "";
          response.setEncoding("utf8");
          response.on("data", (chunk) => {
            answer += chunk;
          });
          response.once("end", () => resolve(JSON.parse(answer)));
        },
      );
      call.once("error", reject);
      call.end(text);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#coordinator.close();
    rmSync(this.home, { recursive: true, force: true });
  }
}
