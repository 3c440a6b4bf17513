import { isDeepStrictEqual } from "node:util";
import { MeshError } from "../../base/errors.ts";
import { describeChange, type HostChange, type InterfaceIdentity } from "../../host/changes/host-change.ts";
import type { HostChanges } from "../../host/changes/host-changes.ts";
import { exitRoutes, type Family, guardPlan } from "./guard-plan.ts";
import { GUARD_COUNTERS, GUARD_TABLE, type GuardOptions, guardTable, type LocalReach } from "./guard-table.ts";
import { localNetworks } from "./local-networks.ts";
import type { StandingConnection } from "./standing-connections.ts";

const TABLE_CHANGE = { kind: "nft-table", ...GUARD_TABLE } as const;

export interface ExitGuardOptions extends Omit<GuardOptions, "standing" | "ownBridges" | "lan"> {
  /** Whether the local networks stay within reach. */
  readonly allowLan: boolean;
  /** `ADDRESS/BITS`: see `LocalReach`. */
  readonly carried: readonly string[];
  /** `/proc/sys/net/ipv6` is there. */
  readonly hasIpv6: boolean;
}

/** How many packets the guard kept from leaving around the tunnel, since it was put in or renewed. */
export interface BlockedPackets {
  readonly ipv4: number;
  readonly ipv6: number;
}

/**
 * The guard of an exit on this host: nothing leaves around the tunnel while it is in force, whether or not a daemon runs. It
 * goes in before any traffic goes by the exit, and out last of all. There is one a host.
 */
export class ExitGuard {
  readonly #changes: HostChanges;
  readonly #options: ExitGuardOptions;

  constructor(options: ExitGuardOptions, changes: HostChanges) {
    this.#options = options;
    this.#changes = changes;
  }

  /**
   * Puts in what is missing, also of what a predecessor left or somebody else took away; what it had that is not wanted any
   * more goes. The packet filter is replaced in one step.
   *
   * @throws MeshError `exit-guard-taken` where another network's is in force, with nothing changed; `missing-tool`,
   *   `missing-capability`, `host-change-failed`: what was put in by then stays, and keeps traffic in
   */
  async putIn(standing: readonly StandingConnection[]): Promise<void> {
    await this.requireNoOther();
    const { fwmark } = this.#options;
    const plan = guardPlan({ fwmark, families: this.#families, standing });
    const reach = await this.reach();
    await this.#changes.nftTable("guard", GUARD_TABLE, guardTable({ ...this.#options, ...reach, standing }));
    for (const [key, value] of plan.sysctls) await this.#changes.sysctl("guard", key, value);
    for (const change of [...plan.routes, ...plan.rules]) await this.#changes.make("guard", change);
    await this.#changes.renew("guard");
    const wanted: readonly HostChange[] = [...plan.routes, ...plan.rules];
    for (const { owner, change } of this.#changes.list()) {
      if (owner !== "guard" || (change.kind !== "route" && change.kind !== "rule")) continue;
      if (!wanted.some((each) => isDeepStrictEqual(each, change))) await this.#changes.takeBack("guard", change);
    }
  }

  /**
   * Leads the traffic of these families into the tunnel, and that of others nowhere.
   * @throws MeshError `host-change-failed`, `missing-capability`
   */
  async lead(families: readonly Family[], device: InterfaceIdentity): Promise<void> {
    const wanted = exitRoutes(
      families.filter((family) => this.#families.includes(family)),
      device,
    );
    for (const { owner, change } of this.#changes.list()) {
      if (owner !== "exit-use" || change.kind !== "route") continue;
      const stays = wanted.some((each) => isDeepStrictEqual({ ...each, kind: "route" }, change));
      if (!stays) await this.#changes.takeBack("exit-use", change);
    }
    for (const route of wanted) await this.#changes.route("exit-use", route);
    await this.#changes.renew("exit-use");
  }

  /** The guard last. @returns how many changes could not be taken back; they stay in the journal */
  takeOut(): Promise<number> {
    return this.#changes.takeBackAll("exit-use", "guard");
  }

  get isInForce(): boolean {
    return isInForce(this.#changes);
  }

  /** @throws MeshError `exit-guard-taken` */
  async requireNoOther(): Promise<void> {
    if (isInForce(this.#changes)) return;
    const table = await this.#changes.tools.nft.showTable(GUARD_TABLE.family, GUARD_TABLE.name);
    if (table === undefined) return;
    const owner = /comment "([^"]*)"/.exec(table)?.[1] ?? "unknown";
    throw new MeshError("exit-guard-taken", `the guard of another exit is in force on this host (${owner})`);
  }

  /** Whether its packet filter is as it was put in: others may have flushed it. @throws as `putIn` */
  isFilterWhole(): Promise<boolean> {
    return this.#changes.tools.nft.isAsPut(GUARD_TABLE.family, GUARD_TABLE.name);
  }

  /** Undefined where there is no such table: somebody else has taken it away. */
  async blocked(): Promise<BlockedPackets | undefined> {
    const table = await this.#changes.tools.nft.showTable(GUARD_TABLE.family, GUARD_TABLE.name);
    if (table === undefined) return undefined;
    const packets = (name: string) =>
      Number(new RegExp(`counter ${name} \\{[^}]*packets (\\d+)`).exec(table)?.[1] ?? 0);
    return { ipv4: packets(GUARD_COUNTERS.ipv4), ipv6: packets(GUARD_COUNTERS.ipv6) };
  }

  /** Routes and rules of the guard that are not there any more, in words. */
  async missing(): Promise<string[]> {
    const { ipRoute } = this.#changes.tools;
    const guard = this.#changes.list().filter(({ owner }) => owner === "guard");
    const missing: string[] = [];
    for (const { change } of guard) {
      const isThere =
        change.kind === "route"
          ? await ipRoute.hasRoute(change)
          : change.kind === "rule"
            ? await ipRoute.hasRule(change)
            : true;
      if (!isThere) missing.push(describeChange(change));
    }
    return missing;
  }

  /** What may leave beside the tunnel as the host is now. */
  async reach(): Promise<Pick<GuardOptions, "lan" | "meshes" | "ownBridges">> {
    const { meshes } = this.#options;
    return { meshes, ownBridges: await this.#ownBridges(), lan: await this.#localReach() };
  }

  get #families(): readonly Family[] {
    return this.#options.hasIpv6 ? ["ipv4", "ipv6"] : ["ipv4"];
  }

  /** Those over which no default route goes: a bridge with the machine's own cable in it is no way to containers alone. */
  async #ownBridges(): Promise<string[]> {
    const { ipRoute } = this.#changes.tools;
    const outward = new Set((await ipRoute.routes()).filter(isDefault).map((route) => route.interfaceName));
    return (await ipRoute.bridges()).filter((name) => !outward.has(name) && isPlain(name)).sort();
  }

  async #localReach(): Promise<LocalReach | undefined> {
    const { allowLan, carried, interfaceName } = this.#options;
    if (!allowLan) return undefined;
    const addresses = await this.#changes.tools.ipRoute.addresses();
    const others = addresses.filter((each) => each.interfaceName !== interfaceName && isPlain(each.interfaceName));
    return { onLink: localNetworks(others), carried };
  }
}

/** Whether this network's guard is in force. */
export function isInForce(changes: HostChanges): boolean {
  return changes.list().some(({ owner, change }) => owner === "guard" && isDeepStrictEqual(change, TABLE_CHANGE));
}

/** Needs no care between quotation marks of nft(8). */
function isPlain(interfaceName: string): boolean {
  return /^[\w.-]+$/.test(interfaceName);
}

function isDefault({ destination }: { readonly destination: string }): boolean {
  return destination === "0.0.0.0/0" || destination === "::/0";
}
