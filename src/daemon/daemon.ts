import type { ExplainRequest, Explanation } from "../api/explain.ts";
import type {
  AcceptedPeer,
  DownReply,
  KeysRotated,
  NetcheckReply,
  PingReply,
  PingRequest,
  PreferenceReply,
  PreferenceRequest,
  Preferences,
  Status,
} from "../api/local.ts";
import type { ExitCheck, ExitOffer, ExitUseRequest, ExitUseView, ExitView, RoutesView } from "../api/local-exit.ts";
import type { HostView } from "../api/local-host.ts";
import type { Clock } from "../base/clock.ts";
import { DisposeStack } from "../base/dispose.ts";
import { MeshError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { MetricFamily } from "../base/metrics.ts";
import type { PeerKeys } from "../control/peer-keys.ts";
import { readHostChanges, takeBackHostChanges } from "../host/changes/host-changes.ts";
import type { Dial } from "../host/tcp.ts";
import { underlaySockets } from "../host/underlay/underlay-sockets.ts";
import type { AeadProviderName } from "../wireguard/aead/provider.ts";
import { type AdminCall, callAsAdmin } from "./admin-call.ts";
import { deregister } from "./deregister.ts";
import { ExitOrders } from "./exit/exit-orders.ts";
import type { FilterKeeper } from "./filter/filter-keeper.ts";
import type { Home, NetworkPaths } from "./home.ts";
import { hostView } from "./host-view.ts";
import { LocalApi } from "./local-api/local-api.ts";
import type { DnsTarget, LocalApiTarget } from "./local-api/target.ts";
import { daemonMetrics } from "./metrics/daemon-metrics.ts";
import type { Enrolment, NetworkState, Settings } from "./network-state.ts";
import { PeerSession } from "./peer-session.ts";
import { removeNetwork } from "./remove-network.ts";
import { rotateKeys } from "./rotate-keys.ts";
import { deriveState, type Intent } from "./state.ts";
import { buildStatus, type StatusSources } from "./status-builder.ts";
import { underlayDial } from "./underlay-dial.ts";
import { Warnings } from "./warnings.ts";

export interface DaemonOptions {
  readonly home: Home;
  readonly paths: NetworkPaths;
  readonly enrolment: Enrolment;
  readonly settings: Settings;
  readonly keys: PeerKeys;
  readonly aeadProvider: AeadProviderName | "auto";
  /** A service stays after `down`; any other daemon ends. */
  readonly isService: boolean;
  /** Start only if the last word was not `down`: a service that comes back keeps to it. */
  readonly keepsIntent: boolean;
}

export interface DaemonDeps {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly state: NetworkState;
}

/** One network's daemon: keeps the session as the intent says, and answers on the local API. */
export class Daemon implements LocalApiTarget, AsyncDisposable {
  /** Settles when the daemon has to end: `down` or `leave` was asked for, or (rejected) the data plane broke. */
  readonly ended: Promise<void>;
  #options: DaemonOptions;
  readonly #deps: DaemonDeps;
  readonly #warnings: Warnings;
  readonly #listeners = new Set<() => void>();
  readonly #resources = new DisposeStack();
  readonly #end: () => void;
  readonly #fail: (failure: MeshError) => void;
  #intent: Intent;
  #session: PeerSession | undefined;
  #starting = false;
  #exitOrders: ExitOrders | undefined;
  /** Ups, downs and leaves come one after the other. */
  #turn: Promise<void> = Promise.resolve();

  private constructor(options: DaemonOptions, deps: DaemonDeps, intent: Intent) {
    this.#options = options;
    this.#deps = deps;
    this.#intent = intent;
    this.#warnings = new Warnings(() => this.#changed());
    let end = () => {};
    let fail: (failure: MeshError) => void = () => {};
    this.ended = new Promise((resolve, reject) => {
      end = resolve;
      fail = reject;
    });
    // Who awaits it hears of the failure; until then it must not count as unhandled.
    this.ended.catch(() => undefined);
    this.#end = end;
    this.#fail = fail;
  }

  /** Opens the local API first, so that the start itself can be watched. What a half start acquired is given back. */
  static async start(options: DaemonOptions, deps: DaemonDeps): Promise<Daemon> {
    const intent = options.keepsIntent ? ((await deps.state.intent.read())?.intent ?? "up") : "up";
    const daemon = new Daemon(options, deps, intent);
    try {
      daemon.#exitOrders = daemon.#resources.use(
        await ExitOrders.open(deps.state.exitTrial, {
          logger: deps.logger,
          settings: () => daemon.#options.settings,
          changeSettings: (changes) => daemon.#changeSettings(changes),
          session: () => daemon.#session,
          inTurn: (work) => daemon.#inTurn(work),
        }),
      );
      daemon.#resources.use(
        await LocalApi.open(options.paths.socketPath, daemon, {
          logger: deps.logger,
          group: () => daemon.#options.settings.localGroup,
        }),
      );
      if (intent === "up") await daemon.up();
      return daemon;
    } catch (failure) {
      await daemon.close();
      throw failure;
    }
  }

  get session(): PeerSession | undefined {
    return this.#session;
  }

  status(): Status {
    return buildStatus(this.statusSources());
  }

  /** What a status and the metrics are made of. */
  statusSources(): StatusSources {
    const { enrolment, paths } = this.#options;
    const engine = this.#session !== undefined ? "up" : this.#starting ? "starting" : "off";
    const session = this.#session?.sources();
    return {
      state: deriveState({ membership: "enrolled", intent: this.#intent, engine }),
      network: paths.network,
      self: session?.map?.self ?? enrolment.self,
      coordinatorUrl: enrolment.urls[0],
      warnings: this.#warnings.list(),
      confirmExitBy: this.#exitOrders?.confirmBy ?? null,
      session,
    };
  }

  metrics(): MetricFamily[] {
    return daemonMetrics({ ...this.statusSources(), eventLoopDelay: undefined });
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  up(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#setIntent("up");
      if (this.#session !== undefined) return;
      await this.#startSession();
    });
  }

  /** Another WireGuard key: the coordinator first, then the session begins anew with it. */
  rotateKeys(): Promise<KeysRotated> {
    return this.#inTurn(async () => {
      const { enrolment, keys, paths, settings } = this.#options;
      const name = this.#session?.sources().map?.self.name ?? enrolment.self.name;
      const dial = underlayDial(underlaySockets(settings.fwmark));
      const next = await rotateKeys({ ...enrolment, self: { ...enrolment.self, name } }, keys, paths.directory, dial);
      await this.#deps.state.enrolment.write(next.enrolment);
      this.#options = { ...this.#options, ...next };
      if (this.#session !== undefined) {
        await this.#stopSession();
        await this.#startSession();
      }
      return { publicKey: next.keys.wireguardKey, previousPublicKey: keys.wireguardKey };
    });
  }

  down(): Promise<DownReply> {
    return this.#inTurn(async () => {
      await this.#setIntent("down");
      await this.#stopSession();
      await this.#takeBackHostChanges();
      const ends = !this.#options.isService;
      if (ends) this.#end();
      return { state: this.status().state, ends };
    });
  }

  leave(): Promise<{ deregistered: boolean }> {
    return this.#inTurn(async () => {
      const { enrolment, home, keys, paths } = this.#options;
      const deregistered = await deregister(enrolment, keys, { dial: this.#dial(), logger: this.#deps.logger });
      await this.#stopSession();
      await this.#takeBackHostChanges();
      await removeNetwork(home, paths.network);
      this.#end();
      return { deregistered };
    });
  }

  ping(request: PingRequest, signal: AbortSignal): AsyncIterable<PingReply> {
    return this.#running().ping(request, signal);
  }

  acceptPeer(name: string): Promise<AcceptedPeer> {
    return this.#running().acceptPeer(name);
  }

  /** Also while the traffic is stopped. */
  admin(call: AdminCall): Promise<object> {
    const { enrolment, keys } = this.#options;
    return callAsAdmin(enrolment, keys, this.#dial(), call);
  }

  preferences(): Preferences {
    return this.#running().preferences();
  }

  prefer(request: PreferenceRequest): Promise<PreferenceReply> {
    return this.#inTurn(() => this.#running().prefer(request));
  }

  get filter(): FilterKeeper {
    return this.#running().filter;
  }

  get dns(): DnsTarget {
    const { dns, hostNames } = this.#running();
    return {
      status: () => ({ ...dns.status(), host: hostNames.status }),
      query: (request) => dns.query(request),
    };
  }

  exits(): ExitView {
    const { use, ...others } = this.#running().exits();
    return { ...others, use: { ...use, confirmBy: this.#orders.confirmBy } };
  }

  /** In force first, then kept: what cannot be done is not asked for again at the next start. */
  offerExit(offer: boolean): Promise<ExitOffer> {
    return this.#inTurn(async () => {
      const { offers } = this.#running();
      await offers.setExit(offer);
      await this.#changeSettings({ allowExitTraffic: offer });
      this.#changed();
      return offers.view();
    });
  }

  useExit(request: ExitUseRequest): Promise<ExitUseView> {
    return this.#inTurn(async () => {
      await this.#orders.use(request, this.#running());
      this.#changed();
      return this.exits().use;
    });
  }

  checkExit(): Promise<ExitCheck> {
    return this.#running().checkExit();
  }

  confirmExit(): Promise<ExitUseView> {
    return this.#inTurn(async () => {
      await this.#orders.confirm();
      this.#changed();
      return this.exits().use;
    });
  }

  routes(): RoutesView {
    return { routes: this.#running().routes() };
  }

  async hostChanges(): Promise<HostView> {
    return hostView(await readHostChanges(this.#options.paths.journalFile));
  }

  explain(request: ExplainRequest): Promise<Explanation> {
    return this.#running().explainer.explain(request);
  }

  netcheck(signal: AbortSignal): Promise<NetcheckReply> {
    return this.#running().netcheck(signal);
  }

  /** Ends without touching the intent: the next start goes on where this one was. */
  async close(): Promise<void> {
    await this.#inTurn(() => this.#stopSession());
    await this.#resources.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #orders(): ExitOrders {
    if (this.#exitOrders === undefined) throw new Error("the daemon has not started");
    return this.#exitOrders;
  }

  #dial(): Dial {
    return underlayDial(underlaySockets(this.#options.settings.fwmark));
  }

  #running(): PeerSession {
    if (this.#session !== undefined) return this.#session;
    throw new MeshError("no-daemon", "the daemon is stopped", { hint: "Start the traffic with `mesh up`." });
  }

  async #startSession(): Promise<void> {
    this.#starting = true;
    this.#changed();
    try {
      this.#session = await PeerSession.start(this.#options, {
        logger: this.#deps.logger,
        clock: this.#deps.clock,
        warnings: this.#warnings,
        onChange: () => this.#changed(),
        onFatal: (failure) => this.#fail(failure),
      });
    } finally {
      this.#starting = false;
      this.#changed();
    }
  }

  async #stopSession(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.close();
    this.#changed();
  }

  /** The guard of an exit as well, which stays when a session ends otherwise. */
  async #takeBackHostChanges(): Promise<void> {
    await takeBackHostChanges(this.#options.paths.journalFile, this.#deps);
  }

  async #changeSettings(changes: Partial<Settings>): Promise<void> {
    const settings: Settings = { ...this.#options.settings, ...changes };
    await this.#deps.state.settings.write(settings);
    this.#options = { ...this.#options, settings };
  }

  async #setIntent(intent: Intent): Promise<void> {
    this.#intent = intent;
    await this.#deps.state.intent.write({ version: 1, intent });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}
