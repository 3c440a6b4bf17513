import {
  addNamespace,
  addVeth,
  deleteNamespace,
  insideNamespace,
  namespaceScratch,
  setSysctl,
} from "../../../scripts/lib/netns.mjs";
import { type CommandResult, type CommandRunner, commandRunner } from "../../../src/host/command.ts";
import { type Installation, installedWrapper } from "./installed-packages.ts";
import { LabProcess } from "./lab-process.ts";

const runToEnd = commandRunner({ timeoutMs: 120_000 });

/** One machine of a lab: a network namespace, with a /var/run/wireguard of its own. */
export class LabHost implements AsyncDisposable {
  readonly label: string;
  /** As `ip netns` knows it. */
  readonly namespace: string;
  readonly #processes: LabProcess[] = [];
  #wrapper: readonly string[] = [];

  private constructor(label: string, namespace: string) {
    this.label = label;
    this.namespace = namespace;
  }

  /** @param label lower-case letters, digits and hyphens; need not be unique */
  static async create(label: string): Promise<LabHost> {
    return new LabHost(label, await addNamespace(label));
  }

  /** A directory that only this host uses and that goes with it. */
  get scratchDirectory(): string {
    return namespaceScratch(this.namespace);
  }

  /** Runs programs here to their end (two minutes at most), with the signature that `src/host` takes. */
  readonly runner: CommandRunner = (program, args, input) => runToEnd(...this.#inside(program, args), input);

  /** Runs a program here to its end; its exit status is the caller's to judge. */
  run(program: string, ...args: string[]): Promise<CommandResult> {
    return this.runner(program, args);
  }

  /** As `run`, and fails unless the status is 0. @returns what it printed */
  async must(program: string, ...args: string[]): Promise<string> {
    return this.#printed(await this.run(program, ...args), program, args);
  }

  /** Starts a program here; it is killed with the host at the latest. */
  async start(
    program: string,
    args: readonly string[],
    options: { env?: NodeJS.ProcessEnv } = {},
  ): Promise<LabProcess> {
    const [command, commandArgs] = this.#inside(program, args);
    const title = `${this.label}: ${program} ${args.join(" ")}`;
    const started = await LabProcess.start(title, command, commandArgs, options);
    this.#processes.push(started);
    return started;
  }

  /** What programs started from now on find installed here, in the place of what an earlier call said. */
  install(installation: Installation): void {
    this.#wrapper = installedWrapper(this.scratchDirectory, installation);
  }

  /** `ip …` of this host, which must succeed. It enters the namespace by itself, at a quarter of what `must` costs. */
  async ip(...args: string[]): Promise<string> {
    return this.#printed(await runToEnd("ip", ["-n", this.namespace, ...args]), "ip", args);
  }

  sysctl(key: string, value: string | number): Promise<void> {
    return setSysctl(this.namespace, key, String(value));
  }

  /** As a host whose administrator switched IPv6 off: no addresses now, none on later interfaces. */
  async disableIpv6(): Promise<void> {
    await this.sysctl("net.ipv6.conf.all.disable_ipv6", 1);
    await this.sysctl("net.ipv6.conf.default.disable_ipv6", 1);
  }

  /** A network of this host's own that nothing else is on. `addresses` with prefix length. */
  async addStubNetwork(device: string, ...addresses: string[]): Promise<void> {
    const [near, far] = [
      { namespace: this.namespace, device, addresses },
      { namespace: this.namespace, device: `${device}-far` },
    ];
    await addVeth(near, far);
  }

  /** Whether `address` answers one echo request within a second. */
  async pings(address: string): Promise<boolean> {
    return (await this.run("ping", "-n", "-c", "1", "-W", "1", address)).status === 0;
  }

  #printed({ status, stdout, stderr }: CommandResult, program: string, args: readonly string[]): string {
    if (status === 0) return stdout;
    throw new Error(`${this.label}: \`${program} ${args.join(" ")}\` ended with ${status}\n${stderr}${stdout}`);
  }

  #inside(program: string, args: readonly string[]): [string, string[]] {
    const [first = program, ...rest] = [...this.#wrapper, program, ...args];
    return insideNamespace(this.namespace, first, rest);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#processes.map((each) => each.kill()));
    await deleteNamespace(this.namespace);
  }
}
