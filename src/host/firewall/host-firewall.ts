import { errnoOf } from "../../base/errors.ts";
import { type CommandRunner, commandRunner } from "../command.ts";
import type { ExplainedPacket } from "./nft-match.ts";
import { chainNames, type FirewallVerdict, verdictOfRuleset } from "./nft-verdict.ts";

const TIMEOUT_MS = 2000;
/** Several questions in a row read it once. */
const KEEP_MS = 1000;

export interface UnreadableFirewall {
  readonly state: "unreadable";
  readonly detail: string;
}

type Reading = { readonly ruleset: unknown } | UnreadableFirewall;

/** The host's own packet filter, as far as nftables shows it (which includes iptables-nft). It is read, never changed. */
export class HostFirewall {
  readonly #run: CommandRunner;
  #reading: Promise<Reading> | undefined;
  #readAtMs = 0;

  constructor(run: CommandRunner = commandRunner({ timeoutMs: TIMEOUT_MS })) {
    this.#run = run;
  }

  /** The tables and chains that are there, as `FAMILY TABLE CHAIN`; none where it cannot be read. */
  async chains(): Promise<ReadonlySet<string>> {
    const reading = await this.#now();
    return "ruleset" in reading ? chainNames(reading.ruleset) : new Set();
  }

  /** The next question reads it anew. */
  forget(): void {
    this.#reading = undefined;
  }

  /** What it does with the packet, where that can be read and is plain. */
  async verdictOn(packet: ExplainedPacket): Promise<FirewallVerdict | UnreadableFirewall> {
    const reading = await this.#now();
    return "ruleset" in reading ? verdictOfRuleset(reading.ruleset, packet) : reading;
  }

  #now(): Promise<Reading> {
    const nowMs = performance.now();
    if (this.#reading === undefined || nowMs - this.#readAtMs > KEEP_MS) {
      this.#readAtMs = nowMs;
      this.#reading = this.#read();
    }
    return this.#reading;
  }

  async #read(): Promise<Reading> {
    try {
      const { status, stdout, stderr } = await this.#run("nft", ["-j", "list", "ruleset"]);
      if (status === 0) return { ruleset: JSON.parse(stdout) };
      return unreadable(stderr.trim().split("\n")[0] || `nft ended with ${status}`);
    } catch (failure) {
      if (errnoOf(failure) === "ENOENT") return unreadable("there is no program `nft`");
      return unreadable(failure instanceof Error ? failure.message.split("\n")[0]! : String(failure));
    }
  }
}

function unreadable(why: string): UnreadableFirewall {
  return { state: "unreadable", detail: why };
}
