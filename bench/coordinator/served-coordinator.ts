import { AdminSocketClient, CoordinatorClient } from "../../test/support/coordinator-client.ts";
import { LabProcess } from "../../test/support/lab/lab-process.ts";

/** Room for more CIDRs, and for more peers in each, than anybody asks for. */
const NETWORK = "10.0.0.0/8";

/** A real `mesh serve` on a free port of the loopback. */
export class ServedCoordinator implements AsyncDisposable {
  readonly pid: number;
  readonly client: CoordinatorClient;
  readonly admin: AdminSocketClient;
  readonly #process: LabProcess;

  private constructor(process: LabProcess, client: CoordinatorClient, admin: AdminSocketClient) {
    this.pid = process.pid;
    this.#process = process;
    this.client = client;
    this.admin = admin;
  }

  /** @param program the built `mesh`, a JavaScript file */
  static async start(program: string, home: string, tls: "auto" | "off"): Promise<ServedCoordinator> {
    const listening = ["--listen", "127.0.0.1:0", "--stun-listen", "off", "--tls", tls];
    const args = [program, "--home", home, "serve", ...listening, "--network-cidr", NETWORK];
    const server = await LabProcess.start("mesh serve", process.execPath, args);
    try {
      const [, url] = await server.waitForOutput(/^ready (\S+)/m);
      const client = await (tls === "off" ? new CoordinatorClient(url!, undefined) : CoordinatorClient.pinned(url!));
      return new ServedCoordinator(server, client, new AdminSocketClient(`${home}/run/coordinator.sock`));
    } catch (failure) {
      await server.kill();
      throw failure;
    }
  }

  /** One call on the admin socket. @throws Error with what it answered, unless that is the success */
  async command(method: string, path: string, body: object = {}): Promise<void> {
    const { status, text } = await this.admin.call(method, `/v1/admin/${path}`, body);
    if (status !== 200) throw new Error(`${method} ${path}: ${status} ${text}`);
  }

  async stop(): Promise<void> {
    const status = await this.#process.stop();
    if (status !== 0) throw new Error(`mesh serve ended with status ${status}\n${this.#process.tail()}`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process.kill();
  }
}
