import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findCommand, mustRun } from "../../../scripts/lib/process.mjs";
import { freeTcpPort } from "../free-tcp-port.ts";
import { eventually } from "../lab/eventually.ts";
import type { LabHost } from "../lab/lab-host.ts";
import { LabProcess } from "../lab/lab-process.ts";

/** Where Debian's sshd wants an empty directory; its init script makes it. */
const PRIVILEGE_SEPARATION = "/run/sshd";

/** On a lab host, where nothing else has it. */
const PORT_OF_ITS_OWN = 2022;

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

export interface StockSshdOptions {
  /** Further lines of sshd_config. */
  readonly settings?: readonly string[];
  /** Where it runs, and listens; on loopback of this machine unless said otherwise. */
  readonly on?: { readonly host: LabHost; readonly address: string };
}

/** A stock OpenSSH server with a configuration, keys and a port of its own, letting root in by one key. */
export class StockSshd implements AsyncDisposable {
  readonly directory: string;
  readonly port: number;
  /** The client's private key. */
  readonly identityFile: string;
  readonly #options: StockSshdOptions;
  #process: LabProcess | undefined;

  private constructor(directory: string, port: number, options: StockSshdOptions) {
    this.directory = directory;
    this.port = port;
    this.identityFile = join(directory, "identity");
    this.#options = options;
  }

  static async start(options: StockSshdOptions = {}): Promise<StockSshd> {
    const directory = mkdtempSync(join(tmpdir(), "stock-sshd-"));
    const sshd = new StockSshd(directory, options.on === undefined ? await freeTcpPort() : PORT_OF_ITS_OWN, options);
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
    const args = ["-D", "-e", "-f", config];
    const { on } = this.#options;
    this.#process = await (on === undefined ? LabProcess.start("sshd", program, args) : on.host.start(program, args));
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

  get address(): string {
    return this.#options.on?.address ?? "127.0.0.1";
  }

  /** A line of known_hosts with its host key. */
  knownHostsLine(type: KeyType = "ed25519"): string {
    return `[${this.address}]:${this.port} ${readFileSync(`${this.#hostKeyFile(type)}.pub`, "utf8").trim()}\n`;
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
      ...(this.#options.settings ?? []),
      `ListenAddress ${this.address}`,
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
