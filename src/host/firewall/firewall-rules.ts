import { z } from "zod";
import { errnoOf, MeshError } from "../../base/errors.ts";
import type { CommandResult, CommandRunner } from "../command.ts";
import { type FirewallBackend, IPTABLES_PROGRAMS, type IptablesProgram, iptablesFor } from "./iptables-program.ts";
import { saveWords } from "./iptables-save.ts";

/** One rule of ours at the head of somebody else's chain, written by the program that its owner uses. */
export const firewallRuleSchema = z.object({
  tool: z.enum(["nft", ...IPTABLES_PROGRAMS]),
  /** Of nft: `ip`, `ip6`, `inet`; else empty. */
  family: z.enum(["ip", "ip6", "inet", ""]),
  table: z.string(),
  chain: z.string(),
  /** What it says, in the program's own words, without a comment. */
  words: z.array(z.string()),
  /** Its comment, by which it is known. */
  tag: z.string(),
});
export type FirewallRule = z.output<typeof firewallRuleSchema>;

const GONE = /No such file or directory|does not exist|No chain\/target\/match|Bad rule|doesn't exist/;
const listingSchema = z.object({
  nftables: z.array(
    z.object({ rule: z.object({ handle: z.number(), comment: z.string().optional() }).optional() }).loose(),
  ),
});

/** Puts rules at the head of chains and takes them away again, by nft(8) or iptables(8). */
export class FirewallRules {
  readonly #run: CommandRunner;

  constructor(run: CommandRunner) {
    this.#run = run;
  }

  /** @throws MeshError `missing-tool`, `missing-capability`, `host-change-failed` */
  async insert(rule: FirewallRule): Promise<void> {
    const { tool, family, table, chain, words, tag } = rule;
    const args =
      tool === "nft"
        ? ["insert", "rule", family, table, chain, ...words, "comment", `"${tag}"`]
        : ["-w", "5", "-t", table, "-I", chain, ...words, ...commentOf(tag)];
    const result = await this.#tool(tool, args);
    if (result.status !== 0) throw failureOf(rule, result);
  }

  /** One that is not there is as good as removed. @throws as `insert` */
  async remove(rule: FirewallRule): Promise<void> {
    const { tool, family, table, chain, words, tag } = rule;
    if (tool !== "nft") {
      const result = await this.#tool(tool, ["-w", "5", "-t", table, "-D", chain, ...words, ...commentOf(tag)]);
      if (result.status !== 0 && !GONE.test(result.stderr)) throw failureOf(rule, result);
      return;
    }
    for (const handle of await this.#handles(rule)) {
      const result = await this.#tool("nft", ["delete", "rule", family, table, chain, "handle", String(handle)]);
      if (result.status !== 0 && !GONE.test(result.stderr)) throw failureOf(rule, result);
    }
  }

  /** Those of `rules` that somebody else has taken away, known by their tags. @throws as `insert` */
  async missing<R extends FirewallRule>(rules: readonly R[]): Promise<R[]> {
    const saved = new Map<string, readonly string[][]>();
    const missing: R[] = [];
    for (const rule of rules) {
      const { tool, table, chain, tag } = rule;
      if (tool === "nft") {
        if ((await this.#handles(rule)).length === 0) missing.push(rule);
        continue;
      }
      const key = `${tool} ${table}`;
      const lines = saved.get(key) ?? (await this.#saved(tool, table));
      saved.set(key, lines);
      if (!lines.some((words) => words[0] === "-A" && words[1] === chain && words.includes(tag))) missing.push(rule);
    }
    return missing;
  }

  /** The program that writes to tables of this backend; undefined where there is none. */
  iptables(family: "ip" | "ip6", backend: FirewallBackend): Promise<IptablesProgram | undefined> {
    return iptablesFor(family, backend, this.#run);
  }

  /** Whether the program is installed. */
  async has(tool: FirewallRule["tool"]): Promise<boolean> {
    try {
      return (await this.#run(tool, ["--version"])).status === 0;
    } catch (failure) {
      if (errnoOf(failure) === "ENOENT") return false;
      throw failure;
    }
  }

  /** Of rules of nft that bear the tag. */
  async #handles(rule: FirewallRule): Promise<number[]> {
    const { family, table, chain, tag } = rule;
    const listed = await this.#tool("nft", ["-j", "list", "chain", family, table, chain]);
    if (listed.status !== 0 && GONE.test(listed.stderr)) return [];
    if (listed.status !== 0) throw failureOf(rule, listed);
    const { nftables } = listingSchema.parse(JSON.parse(listed.stdout));
    return nftables.flatMap(({ rule: found }) => (found?.comment === tag ? [found.handle] : []));
  }

  async #saved(tool: IptablesProgram, table: string): Promise<string[][]> {
    const { status, stdout } = await this.#tool(`${tool}-save`, ["-t", table]);
    return status === 0 ? stdout.split("\n").map(saveWords) : [];
  }

  async #tool(tool: FirewallRule["tool"] | `${IptablesProgram}-save`, args: readonly string[]): Promise<CommandResult> {
    try {
      return await this.#run(tool, args);
    } catch (cause) {
      if (errnoOf(cause) !== "ENOENT") throw cause;
      throw new MeshError("missing-tool", `the program \`${tool}\` is missing`, { cause });
    }
  }
}

function commentOf(tag: string): string[] {
  return ["-m", "comment", "--comment", tag];
}

function failureOf({ tool, table, chain }: FirewallRule, { stderr, status }: CommandResult): MeshError {
  const said = stderr.trim().split("\n")[0] || `status ${status}`;
  const code = /Operation not permitted|Permission denied/.test(said) ? "missing-capability" : "host-change-failed";
  return new MeshError(code, `\`${tool}\` refused a rule in the chain ${chain} of the table ${table}: ${said}`);
}
