import { isDeepStrictEqual } from "node:util";
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
import type { BugReport, BugReportRequest } from "../api/local-bug-report.ts";
import type { ExitCheck, ExitOffer, ExitUseRequest, ExitUseView, ExitView, RoutesView } from "../api/local-exit.ts";
import type { HostView } from "../api/local-host.ts";
import type { SettingsReply, SettingsRequest, SettingsView, SettleRequest } from "../api/local-settings.ts";
import type { Clock } from "../base/clock.ts";
import { DisposeStack } from "../base/dispose.ts";
import { MeshError } from "../base/errors.ts";
import type { LogLevels } from "../base/log-levels.ts";
import { type Logger, loggerOf } from "../base/logger.ts";
import type { MetricFamily } from "../base/metrics.ts";
import type { Redactor } from "../base/redactor.ts";
import type { PeerKeys } from "../control/peer-keys.ts";
import { readHostChanges, takeBackHostChanges } from "../host/changes/host-changes.ts";
import type { Dial } from "../host/tcp.ts";
import { underlaySockets } from "../host/underlay/underlay-sockets.ts";
import type { MetricsServer } from "../web/metrics-server.ts";
import type { AeadProviderName } from "../wireguard/aead/provider.ts";
import { type AdminCall, callAsAdmin } from "./admin-call.ts";
import { reportOfDaemon } from "./bug-report/bug-report.ts";
import { ExitOrders } from "./exit/exit-orders.ts";
import type { FilterKeeper } from "./filter/filter-keeper.ts";
import { hostView } from "./host-view.ts";
import { LocalApi } from "./local-api/local-api.ts";
import type { DnsTarget, LocalApiTarget } from "./local-api/target.ts";
import type { LogRing } from "./log/log-ring.ts";
import { concealKeys } from "./membership/conceal-keys.ts";
import { deregister } from "./membership/deregister.ts";
import { rotateKeys } from "./membership/rotate-keys.ts";
import { daemonMetrics } from "./metrics/daemon-metrics.ts";
import { openDaemonMetrics } from "./metrics/open-metrics.ts";
import { withdrawNotice } from "./neighbours/neighbours.ts";
import type { Home, NetworkPaths } from "./networks/home.ts";
import type { Enrolment, NetworkState, Settings, SomeSettings, StoredSettings } from "./networks/network-state.ts";
import { removeNetwork } from "./networks/remove-network.ts";
import type { PeerSession } from "./session/peer-session.ts";
import { underlayDial } from "./session/underlay-dial.ts";
import type { SettingsChange } from "./settings/settings-keeper.ts";
import { parseSettings } from "./settings/written-settings.ts";
import { deriveState, type Intent } from "./state.ts";
import { buildStatus, type StatusSources } from "./status-builder.ts";
import { Traffic } from "./traffic.ts";
import { Warnings } from "./warnings.ts";

export interface DaemonOptions {
  readonly home: Home;
  readonly paths: NetworkPaths;
  readonly enrolment: Enrolment;
  readonly settings: StoredSettings;
  readonly keys: PeerKeys;
  readonly aeadProvider: AeadProviderName | "auto";
  /** A service stays after `down`; any other daemon ends. */
  readonly isService: boolean;
  /** Start only if the last word was not `down`: a service that comes back keeps to it. */
  readonly keepsIntent: boolean;
}

export interface DaemonDeps {
  readonly logger: Logger;
  /** The log's latest lines. */
  readonly ring: LogRing;
  readonly redactor: Redactor;
  readonly levels: LogLevels;
  readonly clock: Clock;
  readonly state: NetworkState;
}

/** One network's daemon: keeps the session as the intent says, and answers on the local API. */
export class Daemon implements LocalApiTarget, AsyncDisposable {
  /** Settles when the daemon has to end: `down` or `leave` was asked for, or (rejected) the data plane broke. */
  readonly ended: Promise<void>;
  readonly #options: DaemonOptions;
  readonly #deps: DaemonDeps;
  readonly #warnings: Warnings;
  readonly #listeners = new Set<() => void>();
  readonly #resources = new DisposeStack();
  readonly #end: () => void;
  readonly #traffic: Traffic;
  #exitOrders: ExitOrders | undefined;
  #metrics: MetricsServer | undefined;

  private constructor(options: DaemonOptions, deps: DaemonDeps, intent: Intent) {
    this.#options = options;
    this.#deps = deps;
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
    const { paths, enrolment, settings, keys, aeadProvider } = options;
    this.#traffic = new Traffic(
      { paths, enrolment, settings, keys, aeadProvider, intent },
      {
        ...deps,
        warnings: this.#warnings,
        serve: (next) => this.#serve(next),
        onChange: () => this.#changed(),
        onFatal: fail,
      },
    );
  }

  /** Opens the local API first, so that the start itself can be watched. What a half start acquired is given back. */
  static async start(options: DaemonOptions, deps: DaemonDeps): Promise<Daemon> {
    const intent = options.keepsIntent ? ((await deps.state.intent.read())?.intent ?? "up") : "up";
    const daemon = new Daemon(options, deps, intent);
    try {
      daemon.#exitOrders = daemon.#resources.use(
        await ExitOrders.open(deps.state.exitTrial, {
          logger: loggerOf("exit", deps.logger),
          settings: () => daemon.#traffic.settings,
          changeSettings: (changes) => daemon.#traffic.set(changes),
          inTurn: (work) => daemon.#traffic.inTurn(work),
        }),
      );
      const group = () => daemon.#traffic.settings.localGroup;
      const logger = loggerOf("api", deps.logger);
      daemon.#resources.use(await LocalApi.open(options.paths.socketPath, daemon, { logger, group }));
      const { metricsListen } = daemon.#traffic.settings;
      daemon.#metrics = daemon.#resources.use(await openDaemonMetrics(metricsListen, { daemon, logger }));
      // One who asked for a stop meanwhile has it.
      if (intent === "up") await daemon.#traffic.start();
      return daemon;
    } catch (failure) {
      await daemon.close();
      throw failure;
    }
  }

  get session(): PeerSession | undefined {
    return this.#traffic.session;
  }

  status(): Status {
    return buildStatus(this.statusSources());
  }

  /** What a status and the metrics are made of. */
  statusSources(): StatusSources {
    const { enrolment } = this.#traffic;
    const session = this.session?.sources();
    return {
      state: deriveState({ membership: "enrolled", ...this.#traffic.facts }),
      network: this.#options.paths.network,
      self: session?.map?.self ?? enrolment.self,
      coordinatorUrl: enrolment.urls[0],
      warnings: this.#warnings.list(),
      confirmExitBy: this.#exitOrders?.confirmBy ?? null,
      session,
    };
  }

  get logs(): LogRing {
    return this.#deps.ring;
  }

  metrics(): MetricFamily[] {
    return daemonMetrics({ ...this.statusSources(), eventLoopDelay: undefined });
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @throws MeshError `overtaken` where a later request has stopped the traffic */
  async up(): Promise<void> {
    if (await this.#traffic.start()) return;
    throw new MeshError("overtaken", "the traffic was stopped by a later request, before it could start");
  }

  settings(): SettingsView {
    return this.#traffic.viewSettings();
  }

  /** @throws MeshError `setting-unknown`, `setting-invalid`, and what the settings themselves meet; nothing is changed then */
  set({ settings }: SettingsRequest): Promise<SettingsReply> {
    const changes = parseSettings(settings, this.#traffic.defaults);
    return this.#changeSettings(changes, () => {
      // Who is asked for now is to be there now; flags and file may name one that is still to come.
      if (changes.exitNodes !== undefined) this.session?.requireExits(changes.exitNodes);
      return this.#traffic.set(changes);
    });
  }

  /** What flags and configuration file say. @throws MeshError `settings-conflict`, and as `set` */
  settle({ settings, reset }: SettleRequest): Promise<SettingsReply> {
    const asked = parseSettings(settings, this.#traffic.defaults);
    return this.#changeSettings(asked, () => this.#traffic.settle(asked, { reset, keepsCommands: false }));
  }

  /** Another WireGuard key: the coordinator first, then the session begins anew with it. */
  rotateKeys(): Promise<KeysRotated> {
    return this.#traffic.inTurn(async () => {
      const { enrolment, keys, ownName } = this.#traffic;
      const self = { ...enrolment.self, name: ownName };
      const { directory } = this.#options.paths;
      const next = await rotateKeys({ ...enrolment, self }, keys, directory, this.#dial());
      await this.#deps.state.enrolment.write(next.enrolment);
      concealKeys(next.keys, this.#deps.redactor);
      await this.#traffic.identify(next);
      return { publicKey: next.keys.wireguardKey, previousPublicKey: keys.wireguardKey };
    });
  }

  down(): Promise<DownReply> {
    return this.#traffic.inStoppingTurn(async () => {
      await this.#traffic.stop("down");
      await this.#takeBackHostChanges();
      const ends = !this.#options.isService;
      if (ends) this.#end();
      return { state: this.status().state, ends };
    });
  }

  leave(): Promise<{ deregistered: boolean }> {
    return this.#traffic.inStoppingTurn(async () => {
      const { enrolment, keys } = this.#traffic;
      const { home, paths } = this.#options;
      const deregistered = await deregister(enrolment, keys, { dial: this.#dial(), logger: this.#deps.logger });
      await this.#traffic.stop();
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
    const { enrolment, keys } = this.#traffic;
    return callAsAdmin(enrolment, keys, this.#dial(), call);
  }

  preferences(): Preferences {
    return this.#running().preferences();
  }

  prefer(request: PreferenceRequest): Promise<PreferenceReply> {
    return this.#traffic.inTurn(() => this.#running().prefer(request));
  }

  get filter(): FilterKeeper {
    return this.#running().parts.filter;
  }

  get dns(): DnsTarget {
    const { dns, hostNames } = this.#running().parts;
    return {
      status: () => ({ ...dns.status(), host: hostNames.status }),
      query: (request) => dns.query(request),
    };
  }

  exits(): ExitView {
    const { use, ...others } = this.#running().exits();
    return { ...others, use: { ...use, confirmBy: this.#orders.confirmBy } };
  }

  offerExit(offer: boolean): Promise<ExitOffer> {
    return this.#traffic.inTurn(async () => {
      const { offers } = this.#running().parts;
      await this.#traffic.set({ allowExitTraffic: offer });
      this.#changed();
      return offers.view();
    });
  }

  useExit(request: ExitUseRequest): Promise<ExitUseView> {
    return this.#traffic.inTurn(async () => {
      this.#running().requireExits(request.nodes);
      await this.#orders.use(request);
      this.#changed();
      return this.exits().use;
    });
  }

  checkExit(): Promise<ExitCheck> {
    return this.#running().checkExit();
  }

  confirmExit(): Promise<ExitUseView> {
    return this.#traffic.inTurn(async () => {
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
    return this.#running().parts.explainer.explain(request);
  }

  netcheck(signal: AbortSignal): Promise<NetcheckReply> {
    return this.#running().netcheck(signal);
  }

  bugReport(request: BugReportRequest, signal: AbortSignal): Promise<BugReport> {
    const { journalFile } = this.#options.paths;
    return reportOfDaemon(this, request, { journalFile, redactor: this.#deps.redactor }, signal);
  }

  /** Ends without touching the intent: the next start goes on where this one was. */
  async close(): Promise<void> {
    await this.#traffic.inStoppingTurn(() => this.#traffic.stop());
    await this.#resources.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #orders(): ExitOrders {
    if (this.#exitOrders === undefined) throw new Error("the daemon has not started");
    return this.#exitOrders;
  }

  #changeSettings(asked: SomeSettings, change: () => Promise<SettingsChange>): Promise<SettingsReply> {
    return this.#traffic.inTurn(async () => {
      const changed = await change();
      // What holds was asked for otherwise: that is no trial.
      if (isDeepStrictEqual(asked.exitNodes, this.#traffic.settings.exitNodes)) await this.#orders.settle();
      this.#changed();
      return { ...changed, ...this.settings() };
    });
  }

  #dial(): Dial {
    return underlayDial(underlaySockets(this.#traffic.settings.fwmark));
  }

  #running(): PeerSession {
    if (this.session !== undefined) return this.session;
    throw new MeshError("no-daemon", "the daemon is stopped", { hint: "Start the traffic with `mesh up`." });
  }

  async #serve({ logLevels, metricsListen }: Settings): Promise<void> {
    await this.#metrics?.listen(metricsListen);
    this.#deps.levels.use(logLevels);
  }

  /** The guard of an exit as well, which stays when a session ends otherwise. */
  async #takeBackHostChanges(): Promise<void> {
    await takeBackHostChanges(this.#options.paths.journalFile, this.#deps);
    await withdrawNotice(this.#options.paths);
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}
