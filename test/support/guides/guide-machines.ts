import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { meshEntryPoint } from "../../../scripts/lib/project.mjs";
import { eventually } from "../lab/eventually.ts";
import type { LabHost } from "../lab/lab-host.ts";
import type { LabProcess } from "../lab/lab-process.ts";
import type { CommandStep, GuideStep } from "./guide.ts";
import { isShownTruly } from "./shown-output.ts";

/** What stays in the foreground, in a terminal that the reader leaves open, unless its exit status is shown. */
const STAYS = /^mesh (serve|relay --|(join|up)(?!.*--detach))|^nginx|^caddy run/;
/** What only looks may be typed again while it does not say yet what the page has. */
const LOOKS =
  /^(mesh (status|peers|ping|paths|netcheck|explain|whois|dns (query|status)|exit (list|check)|filter (list|test)|routes|metrics|logs|peer list|cidr list)|curl|dig|ping|ip|nft|wg|ls|cat) ?/;
const TOKEN = /mesh1_[A-Za-z0-9_-]+/g;

export type Stage = Readonly<Record<string, () => Promise<unknown>>>;

/** Machines of a lab as somebody sits before them who reads a guide: each with a shell, and `mesh` on the path. */
export class GuideMachines {
  readonly #machines = new Map<string, { readonly host: LabHost; readonly foreground: LabProcess[] }>();
  /** The last that was printed: what a page means by `mesh1_…`. */
  #token = "";

  /** @param names what is in /etc/hosts of all of them: names to addresses */
  constructor(hosts: Readonly<Record<string, LabHost>>, names: Readonly<Record<string, string>>) {
    const lines = Object.entries(names).map(([name, address]) => `${address} ${name}\n`);
    for (const [name, host] of Object.entries(hosts)) {
      const { scratchDirectory: scratch } = host;
      for (const directory of ["bin", "user"]) mkdirSync(join(scratch, directory));
      symlinkSync(meshEntryPoint, join(scratch, "bin/mesh"));
      rmSync(join(scratch, "etc/hosts"));
      writeFileSync(join(scratch, "etc/hosts"), `127.0.0.1 localhost\n${lines.join("")}`);
      this.#machines.set(name, { host, foreground: [] });
    }
  }

  /** Does what a guide says, as it says it. */
  async follow(steps: readonly GuideStep[], stage: Stage = {}): Promise<void> {
    for (const step of steps) {
      if (step.kind === "command") await this.#type(step);
      else if (step.kind === "file") writeFileSync(this.#path(step.machine, step.path), step.text);
      else if (step.kind === "copy") cpSync(this.#path(step.machine, step.path), this.#path(step.to, step.path));
      else {
        const act = stage[step.what];
        if (act === undefined) throw new Error(`line ${step.line}: nobody knows how to stage "${step.what}"`);
        await act();
      }
    }
  }

  async #type(step: CommandStep): Promise<void> {
    const { line, machine, command, exitStatus, shown } = step;
    const title = `line ${line}: ${machine}# ${command}`;
    if (STAYS.test(command) && exitStatus === 0) return this.#stay(step, title);
    const { host } = this.#machine(machine);
    const attempt = async () => {
      const [program, args] = this.#shell(machine, command);
      const { status, stdout, stderr } = await host.run(program, ...args);
      // Where root is at home, on a machine of the reader's.
      const printed = `${stdout}${stderr}`.replaceAll(`${host.scratchDirectory}/user`, "/root");
      this.#token = printed.match(TOKEN)?.at(-1) ?? this.#token;
      if (status !== exitStatus) throw new Error(`${title}\nexit status ${status}, and it said\n${printed}`);
      if (shown.length > 0 && !isShownTruly(shown, printed)) throw new Error(`${title}\nsays\n${printed}`);
      return true;
    };
    await (LOOKS.test(command) ? eventually(title, attempt, { timeoutMs: 20_000, intervalMs: 200 }) : attempt());
  }

  /** In a terminal of its own, until it says what the page has. */
  async #stay({ machine, command, shown }: CommandStep, title: string): Promise<void> {
    const { host, foreground } = this.#machine(machine);
    const started = await host.start(...this.#shell(machine, `exec ${command}`));
    const printed = () => `${started.stdout}${started.stderr}`;
    foreground.push(started);
    await eventually(
      title,
      () => {
        if (isShownTruly([...shown, "…"], printed())) return true;
        throw new Error(`it ${started.isRunning ? "says" : "ended, and said"}\n${printed()}`);
      },
      { timeoutMs: 20_000 },
    );
    this.#token = printed().match(TOKEN)?.at(-1) ?? this.#token;
  }

  /** Ctrl-C in every terminal of this machine in which something runs in the foreground. */
  async interrupt(machine: string): Promise<void> {
    for (const started of this.#machine(machine).foreground.splice(0)) await started.stop("SIGINT");
  }

  /** Each shell has a UTS namespace of its own, in which the machine has its name. */
  #shell(machine: string, command: string): [string, string[]] {
    const { scratchDirectory: scratch } = this.#machine(machine).host;
    const variables = [`PATH=${scratch}/bin:${process.env.PATH}`, `MESH_HOME=${scratch}/mesh`, `HOME=${scratch}/user`];
    const enter = `echo ${machine} > /proc/sys/kernel/hostname && cd '${scratch}/user' && `;
    return ["unshare", ["--uts", "env", ...variables, "sh", "-c", enter + command.replace("mesh1_…", this.#token)]];
  }

  #machine(name: string) {
    const machine = this.#machines.get(name);
    if (machine === undefined) throw new Error(`there is no machine ${name} here`);
    return machine;
  }

  /** @param path relative to where its user is */
  #path(machine: string, path: string): string {
    return join(this.#machine(machine).host.scratchDirectory, "user", path);
  }
}
