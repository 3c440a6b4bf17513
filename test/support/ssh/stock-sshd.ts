import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findCommand, mustRun } from "../../../scripts/lib/process.mjs";
import { eventually } from "../lab/eventually.ts";
import { LabProcess } from "../lab/lab-process.ts";

/** Where Debian's sshd wants an empty directory; its init script makes it. */
const PRIVILEGE_SEPARATION = "/run/sshd";

export type KeyType = "ed25519" | "ecdsa" | "rsa";

/** A new key pair by ssh-keygen, without a passphrase unless one is given. @returns the private key's file */
export async function makeKey(file: string, type: KeyType = "ed25519", passphrase = ""): Promise<string> {
  await mustRun("ssh-keygen", [
    "-q",
    "-t",
    type,
    ...(type === "rsa" ? ["-b", "2048"] : []),
    "-N",
    passphrase,
    "-C",
    "",
    "-f",
    file,
  ]);
  return file;
}

/** A stock OpenSSH server on loopback with a configuration, keys and a port of its own, letting root in by one key. */
export class StockSshd implements AsyncDisposable {
  readonly directory: string;
  readonly port: number;
  /** The client's private key. */
  readonly identityFile: string;
  readonly #settings: readonly string[];
  #process: LabProcess | undefined;

  private constructor(directory: string, port: number, settings: readonly string[]) {
    this.directory = directory;
    this.port = port;
    this.identityFile = join(directory, "identity");
    this.#settings = settings;
  }

  /** @param settings further lines of sshd_config */
  static async start(settings: readonly string[] = []): Promise<StockSshd> {
    const directory = mkdtempSync(join(tmpdir(), "stock-sshd-"));
    const sshd = new StockSshd(directory, await freePort(), settings);
    try {
      await makeKey(sshd.identityFile);
      copyFileSync(`${sshd.identityFile}.pub`, join(directory, "authorized_keys"));
      for (const type of ["ed25519", "ecdsa", "rsa"] as const) await makeKey(sshd.#hostKeyFile(type), type);
      await sshd.startAgain();
      return sshd;
    } catch (failure) {
      await sshd[Symbol.asyncDispose]();
      throw failure;
    }
  }

  /** What it has logged, at the level that the settings ask for. */
  get log(): string {
    return this.#process?.stderr ?? "";
  }

  async startAgain(): Promise<void> {
    mkdirSync(PRIVILEGE_SEPARATION, { recursive: true, mode: 0o755 });
    const config = join(this.directory, "sshd_config");
    writeFileSync(config, `${this.#configuration().join("\n")}\n`);
    const program = findCommand("sshd");
    if (program === undefined) throw new Error("there is no sshd here");
    this.#process = await LabProcess.start("sshd", program, ["-D", "-e", "-f", config]);
    await this.#process.waitForOutput(/Server listening on/);
  }

  /** With the connections to it: each has a process of its own. */
  async stop(): Promise<void> {
    const server = this.#process;
    if (!server?.isRunning) return;
    // Still first: it would take a client that comes back at once for another child, which nobody would end.
    process.kill(server.pid, "SIGSTOP");
    await eventually("sshd stands still", () => /\) [Tt] /.test(readFileSync(`/proc/${server.pid}/stat`, "latin1")));
    const children = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, "latin1").split(" ");
    for (const child of children) if (child !== "") killIfThere(Number(child));
    // They write to the same log, and the server counts as ended when that is closed.
    const ended = server.stop();
    process.kill(server.pid, "SIGCONT");
    await ended;
  }

  /** A line of known_hosts with its host key. */
  knownHostsLine(type: KeyType = "ed25519"): string {
    return `[127.0.0.1]:${this.port} ${readFileSync(`${this.#hostKeyFile(type)}.pub`, "utf8").trim()}\n`;
  }

  /** @returns the name of a file in its directory with this text */
  write(name: string, text: string): string {
    const file = join(this.directory, name);
    writeFileSync(file, text);
    return file;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #hostKeyFile(type: KeyType): string {
    return join(this.directory, `host_${type}`);
  }

  #configuration(): string[] {
    return [
      // The first of two lines counts.
      ...this.#settings,
      "ListenAddress 127.0.0.1",
      `Port ${this.port}`,
      ...(["ed25519", "ecdsa", "rsa"] as const).map((type) => `HostKey ${this.#hostKeyFile(type)}`),
      `AuthorizedKeysFile ${join(this.directory, "authorized_keys")}`,
      "AuthenticationMethods publickey",
      "PermitRootLogin prohibit-password",
      "StrictModes no",
      "UsePAM no",
      "PidFile none",
    ];
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Ended by itself meanwhile.
  }
}

/** A port that nothing listens on. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === "object" && address !== null ? address.port : 0;
}
