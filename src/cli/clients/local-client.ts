import { type ExplainRequest, type Explanation, explanationSchema } from "../../api/explain.ts";
import {
  type AcceptedPeer,
  acceptedPeerSchema,
  type DownReply,
  downReplySchema,
  type KeysRotated,
  keysRotatedSchema,
  type LeaveReply,
  leaveReplySchema,
  type NetcheckReply,
  netcheckReplySchema,
  type PingReply,
  type PingRequest,
  type PreferenceReply,
  type PreferenceRequest,
  type Preferences,
  pingReplySchema,
  preferenceReplySchema,
  preferencesSchema,
  type Status,
  statusSchema,
} from "../../api/local.ts";
import { type BugReport, type BugReportRequest, bugReportSchema } from "../../api/local-bug-report.ts";
import {
  type DnsQueryReply,
  type DnsQueryRequest,
  type DnsStatus,
  dnsQueryReplySchema,
  dnsStatusSchema,
} from "../../api/local-dns.ts";
import {
  type ExitCheck,
  type ExitOffer,
  type ExitUseRequest,
  type ExitUseView,
  type ExitView,
  exitCheckSchema,
  exitOfferSchema,
  exitUseSchema,
  exitViewSchema,
  type RoutesView,
  routesViewSchema,
} from "../../api/local-exit.ts";
import {
  type FilterAdd,
  type FilterDefaultRequest,
  type FilterDefaults,
  type FilterEntry,
  type FilterRemove,
  type FilterView,
  filterDefaultsSchema,
  filterEntrySchema,
  filterViewSchema,
} from "../../api/local-filter.ts";
import { type HostView, hostViewSchema } from "../../api/local-host.ts";
import { type LogLine, logLineSchema } from "../../api/local-logs.ts";
import { type Metrics, metricsSchema } from "../../api/local-metrics.ts";
import {
  type SettingsReply,
  type SettingsRequest,
  type SettingsView,
  type SettleRequest,
  settingsReplySchema,
  settingsViewSchema,
} from "../../api/local-settings.ts";
import { MeshError } from "../../base/errors.ts";
import { type Home, networkPaths, resolveHome, selectNetwork } from "../../daemon/networks/home.ts";
import type { GlobalOptions } from "../options/globals.ts";
import { UnixHttp } from "./unix-http.ts";

/** Calls to the daemon of one network. */
export class LocalClient {
  readonly network: string;
  readonly #http: UnixHttp;

  constructor(home: Home, network: string) {
    this.network = network;
    this.#http = new UnixHttp(
      networkPaths(home, network).socketPath,
      () => new MeshError("no-daemon", `no daemon is running for the network ${network}`),
    );
  }

  status(): Promise<Status> {
    return this.#http.call({ method: "GET", path: "/v1/status" }, statusSchema);
  }

  logs(query: Readonly<Record<string, string>>, signal: AbortSignal): AsyncGenerator<LogLine> {
    return this.#http.lines({ method: "GET", path: `/v1/logs?${new URLSearchParams(query)}`, signal }, logLineSchema);
  }

  metrics(): Promise<Metrics> {
    return this.#http.call({ method: "GET", path: "/v1/metrics" }, metricsSchema);
  }

  watch(signal: AbortSignal): AsyncGenerator<Status> {
    return this.#http.lines({ method: "GET", path: "/v1/status/watch", signal }, statusSchema);
  }

  up(): Promise<Status> {
    return this.#http.call({ method: "POST", path: "/v1/up", body: {} }, statusSchema);
  }

  settings(): Promise<SettingsView> {
    return this.#http.call({ method: "GET", path: "/v1/settings" }, settingsViewSchema);
  }

  setSettings(request: SettingsRequest): Promise<SettingsReply> {
    return this.#http.call({ method: "POST", path: "/v1/settings", body: request }, settingsReplySchema);
  }

  settle(request: SettleRequest): Promise<SettingsReply> {
    return this.#http.call({ method: "POST", path: "/v1/settings/settle", body: request }, settingsReplySchema);
  }

  down(): Promise<DownReply> {
    return this.#http.call({ method: "POST", path: "/v1/down", body: {} }, downReplySchema);
  }

  leave(): Promise<LeaveReply> {
    return this.#http.call({ method: "POST", path: "/v1/leave", body: {} }, leaveReplySchema);
  }

  ping(request: PingRequest, signal: AbortSignal): AsyncGenerator<PingReply> {
    return this.#http.lines({ method: "POST", path: "/v1/ping", body: request, signal }, pingReplySchema);
  }

  preferences(): Promise<Preferences> {
    return this.#http.call({ method: "GET", path: "/v1/preferences" }, preferencesSchema);
  }

  prefer(request: PreferenceRequest): Promise<PreferenceReply> {
    return this.#http.call({ method: "POST", path: "/v1/preferences", body: request }, preferenceReplySchema);
  }

  filter(): Promise<FilterView> {
    return this.#http.call({ method: "GET", path: "/v1/filter" }, filterViewSchema);
  }

  addFilterRule(request: FilterAdd): Promise<FilterEntry> {
    return this.#http.call({ method: "POST", path: "/v1/filter/add", body: request }, filterEntrySchema);
  }

  removeFilterRule(request: FilterRemove): Promise<FilterEntry> {
    return this.#http.call({ method: "POST", path: "/v1/filter/remove", body: request }, filterEntrySchema);
  }

  setFilterDefault(request: FilterDefaultRequest): Promise<FilterDefaults> {
    return this.#http.call({ method: "POST", path: "/v1/filter/default", body: request }, filterDefaultsSchema);
  }

  explain(request: ExplainRequest): Promise<Explanation> {
    return this.#http.call({ method: "POST", path: "/v1/explain", body: request }, explanationSchema);
  }

  dns(): Promise<DnsStatus> {
    return this.#http.call({ method: "GET", path: "/v1/dns" }, dnsStatusSchema);
  }

  dnsQuery(request: DnsQueryRequest): Promise<DnsQueryReply> {
    return this.#http.call({ method: "POST", path: "/v1/dns/query", body: request }, dnsQueryReplySchema);
  }

  exits(): Promise<ExitView> {
    return this.#http.call({ method: "GET", path: "/v1/exit" }, exitViewSchema);
  }

  offerExit(offer: boolean): Promise<ExitOffer> {
    return this.#http.call({ method: "POST", path: "/v1/exit/offer", body: { offer } }, exitOfferSchema);
  }

  useExit(request: ExitUseRequest): Promise<ExitUseView> {
    return this.#http.call({ method: "POST", path: "/v1/exit/use", body: request }, exitUseSchema);
  }

  confirmExit(): Promise<ExitUseView> {
    return this.#http.call({ method: "POST", path: "/v1/exit/confirm", body: {} }, exitUseSchema);
  }

  checkExit(): Promise<ExitCheck> {
    return this.#http.call({ method: "POST", path: "/v1/exit/check", body: {} }, exitCheckSchema);
  }

  routes(): Promise<RoutesView> {
    return this.#http.call({ method: "GET", path: "/v1/routes" }, routesViewSchema);
  }

  hostChanges(): Promise<HostView> {
    return this.#http.call({ method: "GET", path: "/v1/host" }, hostViewSchema);
  }

  netcheck(): Promise<NetcheckReply> {
    return this.#http.call({ method: "POST", path: "/v1/netcheck", body: {} }, netcheckReplySchema);
  }

  bugReport(request: BugReportRequest, signal: AbortSignal): Promise<BugReport> {
    return this.#http.call({ method: "POST", path: "/v1/bugreport", body: request, signal }, bugReportSchema);
  }

  rotateKeys(): Promise<KeysRotated> {
    return this.#http.call({ method: "POST", path: "/v1/keys/rotate", body: {} }, keysRotatedSchema);
  }

  acceptPeer(name: string): Promise<AcceptedPeer> {
    return this.#http.call({ method: "POST", path: "/v1/peers/accept", body: { name } }, acceptedPeerSchema);
  }
}

/** The client for the network that the command means. @throws MeshError `no-daemon` where none is joined */
export function localClient(options: GlobalOptions): LocalClient {
  const home = resolveHome(options.home);
  const network = selectNetwork(home, options.network);
  if (network === undefined) {
    throw new MeshError("no-daemon", "this machine has joined no network", {
      hint: "Join one with `mesh join TOKEN`.",
    });
  }
  return new LocalClient(home, network);
}
