import { z } from "zod";
import { errnoOf, MeshError } from "../../base/errors.ts";
import type { CommandResult, CommandRunner } from "../command.ts";

/** What systemd-resolved is told of our interface (resolvectl(1)). It forgets that with the interface. */
export const resolvedLinkSchema = z.object({
  kind: z.literal("resolved-link"),
  interface: z.object({ name: z.string(), index: z.number().int() }),
  servers: z.array(z.string()),
  /** Names below these are asked of the servers; one with a leading `~` is no search domain; `~.` is every name. */
  domains: z.array(z.string()),
  isDefault: z.boolean(),
});
export type ResolvedLinkChange = z.output<typeof resolvedLinkSchema>;

/** What resolvconf(8), that of openresolv or that of Debian, is told. */
export const resolvconfRecordSchema = z.object({
  kind: z.literal("resolvconf-record"),
  program: z.enum(["openresolv", "debian"]),
  record: z.string(),
  text: z.string(),
});
export type ResolvconfRecordChange = z.output<typeof resolvconfRecordSchema>;

/** The programs by which resolvers are told of a link. Errors of all: MeshError `host-change-failed`. */
export class ResolverPrograms {
  readonly #run: CommandRunner;

  constructor(run: CommandRunner) {
    this.#run = run;
  }

  async setLink(change: ResolvedLinkChange): Promise<void> {
    const { name } = change.interface;
    try {
      await this.#must("resolvectl", ["dns", name, ...change.servers]);
      await this.#must("resolvectl", ["domain", name, ...change.domains]);
      await this.#must("resolvectl", ["default-route", name, change.isDefault ? "yes" : "no"]);
      // We speak neither; by a setting of the whole host it would be asked of us all the same.
      await this.#must("resolvectl", ["dnssec", name, "no"]);
      await this.#must("resolvectl", ["dnsovertls", name, "no"]);
    } catch (failure) {
      await this.revertLink(name).catch(() => undefined);
      throw failure;
    }
  }

  async revertLink(name: string): Promise<void> {
    await this.#must("resolvectl", ["revert", name]);
  }

  /** systemd-resolved answers. */
  async hasResolved(): Promise<boolean> {
    return (await this.#tryRun("resolvectl", ["dns"]))?.status === 0;
  }

  async addRecord({ program, record, text }: ResolvconfRecordChange): Promise<void> {
    // Ours alone: we ask the others ourselves.
    const flags = program === "openresolv" ? ["-m", "0", "-x"] : [];
    await this.#must("resolvconf", [...flags, "-a", record], text);
  }

  async removeRecord({ program, record }: ResolvconfRecordChange): Promise<void> {
    const flags = program === "openresolv" ? ["-f"] : [];
    await this.#must("resolvconf", [...flags, "-d", record]);
  }

  /** Undefined where there is none, or it is another name of resolvectl. */
  async resolvconfProgram(): Promise<ResolvconfRecordChange["program"] | undefined> {
    const said = await this.#tryRun("resolvconf", ["--version"]);
    if (said === undefined || /systemd/.test(said.stdout)) return undefined;
    return /openresolv/.test(said.stdout) ? "openresolv" : "debian";
  }

  async #must(program: string, args: readonly string[], input?: string): Promise<void> {
    const result = await this.#tryRun(program, args, input);
    if (result?.status === 0) return;
    const said = result === undefined ? "it is not there" : result.stderr.trim().split("\n")[0];
    throw new MeshError("host-change-failed", `\`${program} ${args.join(" ")}\` failed: ${said || result?.status}`);
  }

  /** Undefined where there is no such program. */
  async #tryRun(program: string, args: readonly string[], input?: string): Promise<CommandResult | undefined> {
    try {
      return await this.#run(program, args, input);
    } catch (failure) {
      if (errnoOf(failure) === "ENOENT") return undefined;
      throw failure;
    }
  }
}
