import { isDeepStrictEqual } from "node:util";
import { MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { currentBoot } from "../boot-id.ts";
import { type CommandRunner, systemCommandRunner } from "../command.ts";
import { FirewallRules } from "../firewall/firewall-rules.ts";
import { HostFirewall } from "../firewall/host-firewall.ts";
import { IpRoute } from "../ip-route.ts";
import { Nft } from "../nft.ts";
import { type Sysctls, systemSysctls } from "../sysctl.ts";
import { type HostTools, makeChange, renewChange, unmakeChange } from "./change-host.ts";
import {
  type ChangeOwner,
  type HostChange,
  type HostRouteChange,
  type HostRuleChange,
  type InterfaceIdentity,
  isOfBoot,
  MAIN_TABLE,
  type NftTableChange,
  type OwnedChange,
  outlivesDaemon,
  ownedChangeSchema,
} from "./host-change.ts";
import { ResolverPrograms } from "./resolver-change.ts";
import { readJournal, UndoJournal } from "./undo-journal.ts";

export interface HostChangesDeps {
  readonly logger: Logger;
  readonly run?: CommandRunner;
  readonly sysctls?: Sysctls;
}

/**
 * Every change that we make to this host: written to the journal before it is made, taken back in reverse. What a killed
 * predecessor left is in the journal too: the next start takes it back, but for the guard, which it adopts.
 */
export class HostChanges implements AsyncDisposable {
  readonly tools: HostTools;
  readonly #journal: UndoJournal<OwnedChange>;
  readonly #boot = currentBoot();

  private constructor(journal: UndoJournal<OwnedChange>, tools: HostTools) {
    this.#journal = journal;
    this.tools = tools;
  }

  static async open(journalFile: string, deps: HostChangesDeps): Promise<HostChanges> {
    const run = deps.run ?? systemCommandRunner;
    const tools: HostTools = {
      ipRoute: new IpRoute(run),
      nft: new Nft(run),
      sysctls: deps.sysctls ?? systemSysctls,
      firewallRules: new FirewallRules(run),
      firewall: new HostFirewall(run),
      resolvers: new ResolverPrograms(run),
    };
    const boot = currentBoot();
    const journal = await UndoJournal.open(
      { path: journalFile, stepSchema: ownedChangeSchema },
      {
        undo: async (step) => {
          if (isOfBoot(step, boot)) await unmakeChange(step.change, tools);
        },
        logger: deps.logger,
      },
    );
    return new HostChanges(journal, tools);
  }

  /** What is in force, oldest first. */
  list(): readonly OwnedChange[] {
    return this.#journal.pending.map(([, step]) => step).filter((step) => isOfBoot(step, this.#boot));
  }

  /**
   * What is in force already, of this owner and alike in every part, is not made again.
   *
   * @param text of an `nft-table`; it replaces that of a table in force
   * @throws MeshError `host-change-failed`, `missing-capability`, `missing-tool`; nothing has changed then
   */
  async make(owner: ChangeOwner, change: HostChange, text?: string): Promise<void> {
    const known = this.#journal.pending.find(([, step]) => this.#isSame(step, owner, change));
    if (known === undefined) {
      const step = { owner, boot: this.#boot, change };
      await this.#journal.perform(step, () => makeChange(change, this.tools, text));
    } else if (change.kind === "nft-table") {
      await makeChange(change, this.tools, text);
    }
  }

  address(owner: ChangeOwner, on: InterfaceIdentity, address: string): Promise<void> {
    return this.make(owner, { kind: "address", interface: on, address });
  }

  /** A route of the main table, unless told otherwise. */
  route(
    owner: ChangeOwner,
    route: Pick<HostRouteChange, "destination" | "interface"> & Partial<HostRouteChange>,
  ): Promise<void> {
    return this.make(owner, { table: MAIN_TABLE, metric: null, ...route, kind: "route" });
  }

  rule(owner: ChangeOwner, rule: Omit<HostRuleChange, "kind">): Promise<void> {
    return this.make(owner, { ...rule, kind: "rule" });
  }

  nftTable(owner: ChangeOwner, table: Omit<NftTableChange, "kind">, body: string): Promise<void> {
    return this.make(owner, { ...table, kind: "nft-table" }, body);
  }

  /** One that has this value already is left alone, and so stays when we go. @throws MeshError `host-change-failed` */
  async sysctl(owner: ChangeOwner, key: string, value: string): Promise<void> {
    const before = await this.tools.sysctls.read(key);
    if (before === undefined) throw new MeshError("host-change-failed", `this kernel has no setting ${key}`);
    if (before !== value) await this.make(owner, { kind: "sysctl", key, before, after: value });
  }

  /** Makes what these owners made once more, where somebody else has taken it away. @throws MeshError as `make` */
  async renew(...owners: readonly ChangeOwner[]): Promise<void> {
    for (const step of this.list()) if (owners.includes(step.owner)) await renewChange(step.change, this.tools);
  }

  /** Another change alters it as well: it is as it was again when we go. One that this kernel does not have is none. */
  async keepSysctl(owner: ChangeOwner, key: string): Promise<void> {
    const before = await this.tools.sysctls.read(key);
    if (before !== undefined) await this.make(owner, { kind: "sysctl", key, before, after: before });
  }

  /** Takes back the one change of this owner, if it is in force. @throws MeshError as `make` */
  async takeBack(owner: ChangeOwner, change: HostChange): Promise<void> {
    const known = this.#journal.pending.find(([, step]) => this.#isSame(step, owner, change));
    if (known !== undefined) await this.#journal.undo(known[0]);
  }

  /** Takes back all that these owners made, newest first. @returns how many could not be; they stay in the journal */
  takeBackAll(...owners: readonly ChangeOwner[]): Promise<number> {
    return this.#journal.undoAll(({ owner }) => owners.length === 0 || owners.includes(owner));
  }

  /** All but what outlives the daemon. @returns as `takeBackAll` */
  takeBackLeftovers(): Promise<number> {
    return this.#journal.undoAll(({ owner }) => !outlivesDaemon(owner));
  }

  /** Takes back nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#journal.close();
  }

  #isSame(step: OwnedChange, owner: ChangeOwner, change: HostChange): boolean {
    return step.owner === owner && isOfBoot(step, this.#boot) && isDeepStrictEqual(step.change, change);
  }
}

export interface TakenBack {
  /** In the order in which they were made. */
  readonly undone: readonly OwnedChange[];
  /** Those that could not be taken back; they stay in the journal. */
  readonly left: readonly OwnedChange[];
}

/** Takes back what any daemon of this network left, the guard too. */
export async function takeBackHostChanges(journalFile: string, deps: HostChangesDeps): Promise<TakenBack> {
  await using changes = await HostChanges.open(journalFile, deps);
  const before = changes.list();
  await changes.takeBackAll();
  const left = changes.list();
  return { undone: before.filter((change) => !left.includes(change)), left };
}

/** What is in force by the journal, oldest first. Changes nothing, whoever has it open. */
export async function readHostChanges(journalFile: string): Promise<readonly OwnedChange[]> {
  const { pending } = await readJournal({ path: journalFile, stepSchema: ownedChangeSchema });
  const boot = currentBoot();
  return [...pending.values()].filter((step) => isOfBoot(step, boot));
}
