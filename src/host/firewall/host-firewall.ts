import { readFile } from "node:fs/promises";
import { errnoOf } from "../../base/errors.ts";
import { type CommandRunner, commandRunner } from "../command.ts";
import { type FirewallBackend, iptablesFor } from "./iptables-program.ts";
import { rulesetOfSave } from "./iptables-save.ts";
import { type ExplainedPacket, isRecord } from "./nft-match.ts";
import { chainNames, type FirewallVerdict, verdictOfRuleset } from "./nft-verdict.ts";

const TIMEOUT_MS = 2000;
/** Several questions in a row read it once. */
const KEEP_MS = 1000;
const FAMILIES = ["ip", "ip6"] as const;

export interface UnreadableFirewall {
  readonly state: "unreadable";
  readonly detail: string;
}

/** Of one backend, in the objects of libnftables-json(5). */
interface Ruleset {
  readonly backend: FirewallBackend;
  readonly nftables: readonly unknown[];
}

export interface HostFirewallVerdict extends FirewallVerdict {
  readonly by?: NonNullable<FirewallVerdict["by"]> & { readonly backend: FirewallBackend };
}

const BACKEND_NAMES: Readonly<Record<FirewallBackend, string>> = { nf_tables: "nftables", legacy: "iptables-legacy" };

/** The host's own packet filters: nftables, which includes iptables-nft, and the older iptables. They are read, never changed. */
export class HostFirewall {
  readonly #run: CommandRunner;
  readonly #hasLegacy: typeof hasLegacyTables;
  #reading: Promise<readonly Ruleset[] | UnreadableFirewall> | undefined;
  #readAtMs = 0;

  constructor(run: CommandRunner = commandRunner({ timeoutMs: TIMEOUT_MS }), hasLegacy = hasLegacyTables) {
    this.#run = run;
    this.#hasLegacy = hasLegacy;
  }

  /** The tables and chains that are there, as `FAMILY TABLE CHAIN`; none where it cannot be read. */
  async chains(of: FirewallBackend): Promise<ReadonlySet<string>> {
    const reading = await this.#now();
    return chainNames(Array.isArray(reading) ? reading.find(({ backend }) => backend === of) : undefined);
  }

  /** The next question reads it anew. */
  forget(): void {
    this.#reading = undefined;
  }

  /** What it does with the packet, where that can be read and is plain. */
  async verdictOn(packet: ExplainedPacket): Promise<HostFirewallVerdict | UnreadableFirewall> {
    const reading = await this.#now();
    if ("state" in reading) return reading;
    const verdicts = reading.map((ruleset): HostFirewallVerdict => {
      const { backend } = ruleset;
      const { state, detail, by } = verdictOfRuleset(ruleset, packet, BACKEND_NAMES[backend]);
      return { state, detail, ...(by === undefined ? {} : { by: { ...by, backend } }) };
    });
    const plain = verdicts.find(({ state }) => state === "drops");
    if (plain !== undefined) return plain;
    const by = verdicts.find((verdict) => verdict.by !== undefined)?.by;
    const detail = verdicts.map((verdict) => verdict.detail).join("; ");
    return { state: "clear", detail, ...(by === undefined ? {} : { by }) };
  }

  #now(): Promise<readonly Ruleset[] | UnreadableFirewall> {
    const nowMs = performance.now();
    if (this.#reading === undefined || nowMs - this.#readAtMs > KEEP_MS) {
      this.#readAtMs = nowMs;
      this.#reading = this.#read();
    }
    return this.#reading;
  }

  async #read(): Promise<readonly Ruleset[] | UnreadableFirewall> {
    try {
      const nftables = await this.#readNftables();
      if ("state" in nftables) return nftables;
      return (await this.#hasLegacy()) ? [nftables, await this.#readIptables("legacy")] : [nftables];
    } catch (failure) {
      return unreadable(failure instanceof Error ? failure.message.split("\n")[0]! : String(failure));
    }
  }

  async #readNftables(): Promise<Ruleset | UnreadableFirewall> {
    const { status, stdout, stderr } = await this.#run("nft", ["-j", "list", "ruleset"]).catch((failure: unknown) => {
      if (errnoOf(failure) !== "ENOENT") throw failure;
      return { status: undefined, stdout: "", stderr: "" };
    });
    if (status === undefined) {
      const ruleset = await this.#readIptables("nf_tables");
      const isThere = ruleset.nftables.length > 0 || (await iptablesFor("ip", "nf_tables", this.#run)) !== undefined;
      return isThere || (await this.#hasLegacy()) ? ruleset : unreadable("there is no program `nft`");
    }
    if (status !== 0) return unreadable(stderr.trim().split("\n")[0] || `nft ended with ${status}`);
    const listed: unknown = JSON.parse(stdout);
    const objects = isRecord(listed) && Array.isArray(listed.nftables) ? listed.nftables : [];
    // Of what iptables-nft wrote with extensions of iptables, nft says no more than that.
    const told = /"xt":/.test(stdout) ? (await this.#readIptables("nf_tables")).nftables : [];
    const isTold = new Set(told.map(tableOf));
    return { backend: "nf_tables", nftables: [...objects.filter((one) => !isTold.has(tableOf(one))), ...told] };
  }

  async #readIptables(backend: FirewallBackend): Promise<Ruleset> {
    const nftables: object[] = [];
    for (const family of FAMILIES) {
      const program = await iptablesFor(family, backend, this.#run);
      const saved = program === undefined ? undefined : await this.#run(`${program}-save`, []);
      if (saved?.status === 0) nftables.push(...rulesetOfSave(saved.stdout, family));
    }
    return { backend, nftables };
  }
}

/** Whether tables of the older iptables are there, by what the kernel says of this network namespace. */
export async function hasLegacyTables(): Promise<boolean> {
  for (const file of ["/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"]) {
    // Only kernels that have it, or had to do with it, have the file.
    if ((await readFile(file, "latin1").catch(() => "")) !== "") return true;
  }
  return false;
}

/** `FAMILY TABLE` of a chain or rule. */
function tableOf(object: unknown): string | undefined {
  const about = isRecord(object) ? (object.chain ?? object.rule) : undefined;
  return isRecord(about) ? `${about.family} ${about.table}` : undefined;
}

function unreadable(why: string): UnreadableFirewall {
  return { state: "unreadable", detail: why };
}
