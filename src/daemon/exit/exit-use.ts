import { existsSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import type { ExitCheck, ExitUseView } from "../../api/local-exit.ts";
import type { MapPeer, NetworkMap } from "../../api/network-map.ts";
import type { IpFamily } from "../../api/primitives.ts";
import type { Clock } from "../../base/clock.ts";
import { asMeshError, MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { DEFAULT_ROUTES } from "../../exit/forwarded.ts";
import { besideExit, type GuardWord, type PacketBeside } from "../../exit/use/beside-exit.ts";
import { type ExitCandidate, ExitChoice } from "../../exit/use/exit-choice.ts";
import { ExitGuard } from "../../exit/use/guard.ts";
import { readStandingConnections } from "../../exit/use/standing-connections.ts";
import type { InterfaceIdentity } from "../../host/changes/host-change.ts";
import type { HostChanges } from "../../host/changes/host-changes.ts";
import type { Neighbours } from "../neighbours/neighbours.ts";
import type { Settings } from "../networks/network-state.ts";
import type { Warnings } from "../warnings.ts";
import { checkExit, type ExitCheckSources } from "./exit-check.ts";
import { exitNodePeers, isExit } from "./exit-nodes.ts";
import { type ExitStanding, exitStandings } from "./exit-standings.ts";

/** `advertiseRoutes`: what this machine carries stays within reach of an exit's guard as its local networks do. */
export type ExitUseSettings = Pick<Settings, "exitNodes" | "exitAllowLan" | "advertiseRoutes">;

export interface ExitUseOptions {
  readonly settings: Settings;
  /** By which this machine knows the network. */
  readonly network: string;
  readonly meshRanges: readonly string[];
  /** Other networks of this machine. */
  readonly neighbours: Pick<Neighbours, "all">;
}

export interface ExitUseDeps {
  readonly changes: HostChanges;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly warnings: Warnings;
}

/** What is known once the session stands. */
export interface ExitUseSession {
  readonly device: InterfaceIdentity;
  /** Those that this machine has an address of inside the mesh. */
  readonly families: readonly IpFamily[];
  /** Rejects where no answer came in time. */
  readonly ping: (publicKey: string, options: { readonly timeoutMs: number }) => Promise<unknown>;
  /** There is a path to the peer with this key. */
  readonly isReached: (publicKey: string) => boolean;
  /** Another exit is in use, or none: the tunnel has to be told. */
  readonly onChange: () => void;
}

const TICK_MS = 1000;
const PING_TIMEOUT_MS = 1500;

/**
 * The exit of this machine: the guard from before there is a tunnel, the choice among the exits that were asked for, and the
 * way into the tunnel. Whatever fails or ends, the guard stays until an exit is asked for no more.
 */
export class ExitUse implements AsyncDisposable {
  readonly #options: ExitUseOptions;
  readonly #deps: ExitUseDeps;
  readonly #answeredAtMs = new Map<string, number>();
  readonly #pinged = new Set<string>();
  #settings: ExitUseSettings;
  #session: ExitUseSession | undefined;
  #map: NetworkMap | undefined;
  #choice = new ExitChoice();
  #using: MapPeer | undefined;
  #families: readonly IpFamily[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** Changes to the host come one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(options: ExitUseOptions, deps: ExitUseDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#settings = options.settings;
  }

  /**
   * Before anything else of a session: with an exit the guard goes in, or is adopted; without, what is left of one goes.
   * @throws MeshError `exit-needs-mark`, `exit-guard-taken`, `missing-tool`, `missing-capability`, `host-change-failed`
   */
  static async open(options: ExitUseOptions, deps: ExitUseDeps): Promise<ExitUse> {
    const use = new ExitUse(options, deps);
    await use.#guardAsAsked();
    return use;
  }

  /** From now on traffic can go by an exit. */
  async start(session: ExitUseSession): Promise<void> {
    this.#session = session;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#choose();
    await this.#turn;
  }

  setNetwork(map: NetworkMap): void {
    this.#map = map;
    this.#choose();
  }

  /**
   * Another exit, others, or none.
   * @throws MeshError as `open`; what was in force before is in force again, unless that fails as well
   */
  async change(settings: ExitUseSettings): Promise<void> {
    const before = this.#settings;
    this.#settings = settings;
    try {
      await this.#guardAsAsked();
    } catch (failure) {
      this.#settings = before;
      await this.#guardAsAsked().catch((again: unknown) => {
        this.#deps.logger.error({ err: again }, "the former exit cannot be put in force again");
      });
      throw failure;
    }
    // Another list begins at its first.
    if (!isDeepStrictEqual(settings.exitNodes, before.exitNodes)) this.#choice = new ExitChoice();
    this.#choose();
    await this.#turn;
  }

  /** Others may have taken something of the guard away; bridges, or other networks of this machine, may have come. */
  networkChanged(): void {
    if (this.isAsked) this.#inTurn(() => this.#putIn());
  }

  /** Somebody has changed this host's firewall: what the guard has there comes back. */
  firewallChanged(): void {
    if (!this.isAsked) return;
    this.#inTurn(async () => {
      if (await this.#guard().isFilterWhole()) return;
      this.#deps.logger.warn({}, "somebody has changed the guard of the exit: it is put in again");
      await this.#putIn();
    });
  }

  /** An exit was asked for: nothing leaves this machine around it. */
  get isAsked(): boolean {
    return this.#settings.exitNodes.length > 0;
  }

  /** What goes to this peer (WireGuard key) as the exit in use. */
  carriedBy(publicKey: string): string[] {
    if (this.#using?.wireguardKey !== publicKey) return [];
    return this.#families.map((family) => DEFAULT_ROUTES[family]);
  }

  view(): Omit<ExitUseView, "confirmBy"> {
    const { exitNodes, exitAllowLan } = this.#settings;
    return {
      nodes: [...exitNodes],
      using: this.#using?.name ?? null,
      families: [...this.#families],
      allowLan: exitAllowLan,
    };
  }

  /** The exits that were asked for, in order. */
  standings(): ExitStanding[] {
    const nowMs = this.#deps.clock.monotonicMs();
    const asked = this.#worthAsking();
    return exitStandings(this.#settings.exitNodes, this.#map, ({ wireguardKey }) => {
      const candidate = asked.find(({ publicKey }) => publicKey === wireguardKey);
      if (candidate === undefined) return "not asked";
      return this.#choice.isSilent(candidate, nowMs) ? "silent" : "answers";
    });
  }

  /** Whether the guard's packet filter is there: somebody else may have taken it away. */
  async isGuarded(): Promise<boolean> {
    return (await this.#guard().blocked()) !== undefined;
  }

  /** What the guard does with a packet that the host would send by this interface, beside the tunnel. */
  async beside(packet: PacketBeside, interfaceName: string): Promise<GuardWord> {
    return besideExit(packet, interfaceName, await this.#guard().reach());
  }

  /** Takes nothing back. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#session = undefined;
    await this.#turn;
  }

  /** The leak test. @throws MeshError `exit-not-used` */
  check(session: Pick<ExitCheckSources, "sockets" | "stun">): Promise<ExitCheck> {
    const { ipRoute } = this.#deps.changes.tools;
    const { interface: interfaceName } = this.#options.settings;
    return checkExit({ ...session, use: this.view(), guard: this.#guard(), ipRoute, interfaceName });
  }

  async #guardAsAsked(): Promise<void> {
    if (this.isAsked) {
      await this.#serially(() => this.#putIn());
      return;
    }
    this.#use(undefined);
    this.#warn();
    const failures = await this.#serially(() => this.#guard().takeOut());
    if (failures > 0) throw new MeshError("host-change-failed", "the guard of the exit could not be taken out");
  }

  async #putIn(): Promise<void> {
    const { settings, meshRanges } = this.#options;
    if (settings.fwmark === 0) {
      throw new MeshError("exit-needs-mark", "an exit needs the firewall mark, which is switched off here");
    }
    await this.#guard().putIn(readStandingConnections(meshRanges));
  }

  #guard(): ExitGuard {
    const { settings, network, meshRanges, neighbours } = this.#options;
    const options = {
      network,
      meshRanges,
      meshes: neighbours.all,
      interfaceName: settings.interface,
      fwmark: settings.fwmark,
    };
    const hasIpv6 = existsSync("/proc/sys/net/ipv6");
    const { exitAllowLan: allowLan, advertiseRoutes: carried } = this.#settings;
    return new ExitGuard({ ...options, allowLan, carried, hasIpv6 }, this.#deps.changes);
  }

  #tick(): void {
    this.#ask();
    this.#choose();
  }

  #ask(): void {
    for (const { publicKey } of this.#worthAsking()) this.#ping(publicKey);
  }

  /** One alone is used whether or not it answers; of several, those that matter next are asked. */
  #worthAsking(): readonly ExitCandidate[] {
    const candidates = this.#candidates().filter(({ isEligible }) => isEligible);
    if (candidates.length < 2) return [];
    const place = candidates.findIndex(({ publicKey }) => publicKey === this.#choice.current);
    const isWell = place >= 0 && !this.#choice.isSilent(candidates[place]!, this.#deps.clock.monotonicMs());
    return isWell ? candidates.slice(0, place + 1) : candidates;
  }

  #ping(publicKey: string): void {
    if (this.#pinged.has(publicKey) || this.#session === undefined) return;
    this.#pinged.add(publicKey);
    this.#session
      .ping(publicKey, { timeoutMs: PING_TIMEOUT_MS })
      .then(
        () => this.#answeredAtMs.set(publicKey, this.#deps.clock.monotonicMs()),
        // Silence is an answer, too.
        () => undefined,
      )
      .finally(() => this.#pinged.delete(publicKey));
  }

  #candidates(): ExitCandidate[] {
    return exitNodePeers(this.#settings.exitNodes, this.#map).map((peer) => ({
      publicKey: peer.wireguardKey,
      isEligible: isExit(peer),
      answeredAtMs: this.#answeredAtMs.get(peer.wireguardKey) ?? null,
    }));
  }

  #choose(): void {
    if (this.#session === undefined || !this.isAsked) return;
    const publicKey = this.#choice.update(this.#candidates(), this.#deps.clock.monotonicMs());
    this.#use(this.#map?.peers.find(({ wireguardKey }) => wireguardKey === publicKey));
    this.#warn();
  }

  #use(peer: MapPeer | undefined): void {
    const families = (peer?.exit ?? []).filter((family) => this.#session?.families.includes(family));
    const isSame = peer?.wireguardKey === this.#using?.wireguardKey && families.join() === this.#families.join();
    this.#using = peer;
    if (isSame) return;
    this.#families = families;
    this.#deps.logger.info({ exit: peer?.name ?? null, families }, peer === undefined ? "no exit" : "exit chosen");
    const { device } = this.#session ?? {};
    if (device !== undefined) this.#inTurn(() => this.#guard().lead(families, device));
    this.#session?.onChange();
  }

  #warn(): void {
    const lines = new Map<string, string>();
    if (this.isAsked && this.#map !== undefined) {
      const nodes = this.#settings.exitNodes.join(", ");
      if (this.#using === undefined) {
        lines.set(
          "none",
          `no exit can be used (${nodes}): nothing leaves this machine but to peers; mesh exit use off`,
        );
      } else if (this.#session?.isReached(this.#using.wireguardKey) === false) {
        lines.set("away", `the exit ${this.#using.name} cannot be reached: nothing leaves this machine but to peers`);
      } else if (!this.#families.includes("ipv4")) {
        lines.set("ipv4", `the exit ${this.#using.name} has no IPv4: it is kept in`);
      } else if (!this.#families.includes("ipv6") && this.#session?.families.includes("ipv6") === true) {
        lines.set("ipv6", `the exit ${this.#using.name} has no IPv6: it is kept in`);
      }
    }
    this.#deps.warnings.replaceGroup("exit ", lines);
  }

  /** Work that nobody waits for: a failure is told of. */
  #inTurn(work: () => Promise<void>): void {
    this.#serially(work).then(
      () => this.#deps.warnings.clear("exit-host"),
      (failure: unknown) => {
        this.#deps.logger.error({ err: failure }, "the exit cannot be put in force");
        this.#deps.warnings.set(
          "exit-host",
          `the exit is not in force as it should be: ${asMeshError(failure).message}`,
        );
      },
    );
  }

  #serially<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}
