import { errnoOf, MeshError } from "../base/errors.ts";
import { type CommandResult, type CommandRunner, systemCommandRunner } from "./command.ts";

const NOT_THERE = /No such file or directory|does not exist/;

/** Writes tables of nftables, by the program `nft`. Never touches a table that it is not told of. */
export class Nft {
  readonly #run: CommandRunner;
  /** What was read of each table of ours once it had been put, without what counts. */
  readonly #asPut = new Map<string, string>();

  constructor(run: CommandRunner = systemCommandRunner) {
    this.#run = run;
  }

  /**
   * Puts a table in the place of the one of this name, in one transaction: there is no moment without it.
   * @param body what stands between the braces
   * @throws MeshError `missing-tool`, `missing-capability`, `host-change-failed`
   */
  async putTable(family: string, name: string, body: string): Promise<void> {
    // Deleting fails where there is none; adding first never does.
    const script = `add table ${family} ${name}\ndelete table ${family} ${name}\ntable ${family} ${name} {\n${body}\n}\n`;
    const result = await this.#nft(["-f", "-"], script);
    if (result.status !== 0) throw failureOf(`table ${family} ${name}`, result);
    const listed = await this.#listed(family, name);
    if (listed === undefined) this.#asPut.delete(`${family} ${name}`);
    else this.#asPut.set(`${family} ${name}`, listed);
  }

  /** Whether a table that was put stands there, and nobody has changed it since. @throws as `putTable` */
  async isAsPut(family: string, name: string): Promise<boolean> {
    const listed = await this.#listed(family, name);
    return listed !== undefined && listed === this.#asPut.get(`${family} ${name}`);
  }

  /** One that is not there is as good as deleted. @throws as `putTable` */
  async deleteTable(family: string, name: string): Promise<void> {
    const result = await this.#nft(["delete", "table", family, name]);
    if (result.status !== 0 && !NOT_THERE.test(result.stderr)) throw failureOf(`table ${family} ${name}`, result);
  }

  async hasTable(family: string, name: string): Promise<boolean> {
    return (await this.showTable(family, name)) !== undefined;
  }

  /** In nft's own words, counters with their figures; undefined where there is none. @throws as `putTable` */
  async showTable(family: string, name: string): Promise<string | undefined> {
    return this.#listed(family, name, []);
  }

  async #listed(family: string, name: string, flags: readonly string[] = ["--stateless"]): Promise<string | undefined> {
    const result = await this.#nft([...flags, "list", "table", family, name]);
    if (result.status === 0) return result.stdout;
    if (NOT_THERE.test(result.stderr)) return undefined;
    throw failureOf(`table ${family} ${name}`, result);
  }

  async #nft(args: readonly string[], input?: string): Promise<CommandResult> {
    try {
      return await this.#run("nft", args, input);
    } catch (failure) {
      if (errnoOf(failure) !== "ENOENT") throw failure;
      throw new MeshError("missing-tool", "the program `nft` is missing", {
        hint: "Install the package nftables.",
        cause: failure,
      });
    }
  }
}

function failureOf(what: string, { stderr, status }: CommandResult): MeshError {
  const said = stderr.trim().split("\n")[0] || `status ${status}`;
  const code = /Operation not permitted/.test(said) ? "missing-capability" : "host-change-failed";
  return new MeshError(code, `\`nft\` refused the ${what}: ${said}`);
}
