import { existsSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, MeshError } from "../../base/errors.ts";
import { writeFileAtomic } from "../../host/atomic-file.ts";
import { type CommandRunner, commandRunner } from "../../host/command.ts";
import { UNIT_MARK } from "./unit-file.ts";

const UNIT_DIRECTORY = "/etc/systemd/system";
/** Longer than the units' own limits on start and stop. */
const TIMEOUT_MS = 150_000;

export interface ServiceStatus {
  readonly unit: string;
  readonly installed: boolean;
  /** Whether it starts with the machine. */
  readonly enabled: boolean;
  /** As systemd calls it: `active`, `activating`, `inactive`, `failed` … */
  readonly active: string;
  readonly pid: number | null;
}

/** systemd, of this machine or (`root`) of a system that lies below a directory and does not run. */
export class Systemd {
  readonly #root: string | undefined;
  readonly #run: CommandRunner;

  /** @throws MeshError `service-manager-missing`, saying what `intent` would do where systemd runs */
  static here(intent: string): Systemd {
    // sd_booted(3)
    if (existsSync("/run/systemd/system")) return new Systemd(undefined);
    throw new MeshError("service-manager-missing", `systemd does not run this system; with it, this would ${intent}`);
  }

  constructor(root: string | undefined, run: CommandRunner = commandRunner({ timeoutMs: TIMEOUT_MS })) {
    this.#root = root;
    this.#run = run;
  }

  /** Where the unit is, or would be. */
  fileOf(unit: string): string {
    return join(this.#root ?? "/", UNIT_DIRECTORY, unit);
  }

  /** Replaces a unit of ours. It starts with the machine from then on. @throws MeshError `file-exists`, `not-permitted` */
  async install(unit: string, text: string): Promise<void> {
    const file = this.fileOf(unit);
    const before = await this.#ownFile(file);
    try {
      await mkdir(join(file, ".."), { recursive: true, mode: 0o755 });
      await writeFileAtomic(file, text, { mode: 0o644 });
    } catch (cause) {
      throw fileError(file, cause);
    }
    try {
      if (this.#root === undefined) await this.systemctl("daemon-reload");
      await this.systemctl("enable", unit);
    } catch (failure) {
      if (before === undefined) await rm(file, { force: true });
      else await writeFileAtomic(file, before, { mode: 0o644 });
      throw failure;
    }
  }

  /** Stopped, and gone. @throws MeshError `not-found`, `file-exists` for a unit of somebody else's, `not-permitted` */
  async uninstall(unit: string): Promise<void> {
    const file = this.fileOf(unit);
    if ((await this.#ownFile(file)) === undefined) throw notInstalled(unit);
    await this.systemctl("disable", ...(this.#root === undefined ? ["--now"] : []), unit);
    try {
      await rm(file);
    } catch (cause) {
      throw fileError(file, cause);
    }
    if (this.#root === undefined) await this.systemctl("daemon-reload");
  }

  async status(unit: string): Promise<ServiceStatus> {
    const asked = ["LoadState", "UnitFileState", "ActiveState", "MainPID"].map((name) => `--property=${name}`);
    const text = await this.systemctl("show", ...asked, unit);
    const property = (name: string) => new RegExp(`^${name}=(.*)$`, "m").exec(text)?.[1] ?? "";
    return {
      unit,
      installed: property("LoadState") !== "not-found",
      enabled: property("UnitFileState") === "enabled",
      active: property("ActiveState"),
      pid: Number(property("MainPID")) || null,
    };
  }

  /** @throws MeshError `not-found` */
  requireInstalled(unit: string): void {
    if (!existsSync(this.fileOf(unit))) throw notInstalled(unit);
  }

  /** What it printed. @throws MeshError `missing-tool`, `not-permitted`, `service-failed` */
  async systemctl(...args: string[]): Promise<string> {
    const all = this.#root === undefined ? args : [`--root=${this.#root}`, ...args];
    const { status, stdout, stderr } = await this.#run("systemctl", ["--no-ask-password", ...all]).catch((cause) => {
      if (errnoOf(cause) !== "ENOENT") throw cause;
      throw new MeshError("missing-tool", "systemctl is not installed", { cause });
    });
    if (status === 0) return stdout;
    const said = stderr.trim().split("\n")[0] ?? "";
    const isDenied = /access denied|authentication|permission denied/i.test(stderr);
    throw new MeshError(
      isDenied ? "not-permitted" : "service-failed",
      `systemctl ${args.join(" ")} failed: ${said === "" ? `status ${status}` : said}`,
      isDenied ? { hint: "Run the command as root." } : {},
    );
  }

  /** Its text; undefined where there is none. @throws MeshError `file-exists` for somebody else's */
  async #ownFile(file: string): Promise<string | undefined> {
    let text: string;
    try {
      text = await readFile(file, "utf8");
    } catch (cause) {
      if (errnoOf(cause) === "ENOENT") return undefined;
      throw fileError(file, cause);
    }
    if (text.startsWith(UNIT_MARK)) return text;
    throw new MeshError("file-exists", `${file} is not of \`mesh service install\``);
  }
}

function notInstalled(unit: string): MeshError {
  return new MeshError("not-found", `${unit} is not installed`, { hint: "Install it first: `mesh service install`." });
}

function fileError(file: string, cause: unknown): MeshError {
  const errno = errnoOf(cause);
  const isDenied = errno === "EACCES" || errno === "EPERM" || errno === "EROFS";
  const options = { cause, ...(isDenied ? { hint: "Run the command as root." } : {}) };
  return new MeshError(isDenied ? "not-permitted" : "bad-usage", `${file}: ${errno ?? cause}`, options);
}
