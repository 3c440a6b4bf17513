import type { ExplainRequest, Explanation } from "../../api/explain.ts";
import type {
  AcceptedPeer,
  DownReply,
  KeysRotated,
  LeaveReply,
  NetcheckReply,
  PingReply,
  PingRequest,
  PreferenceReply,
  PreferenceRequest,
  Preferences,
  Status,
} from "../../api/local.ts";
import type { BugReport, BugReportRequest } from "../../api/local-bug-report.ts";
import type { DnsQueryReply, DnsQueryRequest, DnsStatus } from "../../api/local-dns.ts";
import type { ExitCheck, ExitOffer, ExitUseRequest, ExitUseView, ExitView, RoutesView } from "../../api/local-exit.ts";
import type {
  FilterAdd,
  FilterDefaultRequest,
  FilterDefaults,
  FilterEntry,
  FilterRemove,
  FilterView,
} from "../../api/local-filter.ts";
import type { HostView } from "../../api/local-host.ts";
import type { SettingsReply, SettingsRequest, SettingsView, SettleRequest } from "../../api/local-settings.ts";
import type { MetricFamily } from "../../base/metrics.ts";
import type { AdminCall } from "../admin-call.ts";
import type { LogRing } from "../log/log-ring.ts";

/** What the local API asks of the packet filter. */
export interface FilterTarget {
  view(): FilterView;
  add(request: FilterAdd): Promise<FilterEntry>;
  remove(request: FilterRemove): Promise<FilterEntry>;
  setDefault(request: FilterDefaultRequest): Promise<FilterDefaults>;
}

/** What the local API asks of the name server. */
export interface DnsTarget {
  status(): DnsStatus;
  query(request: DnsQueryRequest): Promise<DnsQueryReply>;
}

/** What the local API asks of the daemon. */
export interface LocalApiTarget {
  status(): Status;
  metrics(): MetricFamily[];
  /** Its lines are JSON. */
  readonly logs: Pick<LogRing, "latest" | "follow">;
  /** Calls `listener` after every change; returns what ends that. */
  onChange(listener: () => void): () => void;
  up(): Promise<void>;
  settings(): SettingsView;
  set(request: SettingsRequest): Promise<SettingsReply>;
  settle(request: SettleRequest): Promise<SettingsReply>;
  down(): Promise<DownReply>;
  leave(): Promise<LeaveReply>;
  ping(request: PingRequest, signal: AbortSignal): AsyncIterable<PingReply>;
  acceptPeer(name: string): Promise<AcceptedPeer>;
  rotateKeys(): Promise<KeysRotated>;
  preferences(): Preferences;
  prefer(request: PreferenceRequest): Promise<PreferenceReply>;
  netcheck(signal: AbortSignal): Promise<NetcheckReply>;
  explain(request: ExplainRequest): Promise<Explanation>;
  bugReport(request: BugReportRequest, signal: AbortSignal): Promise<BugReport>;
  readonly filter: FilterTarget;
  readonly dns: DnsTarget;
  exits(): ExitView;
  offerExit(offer: boolean): Promise<ExitOffer>;
  useExit(request: ExitUseRequest): Promise<ExitUseView>;
  confirmExit(): Promise<ExitUseView>;
  checkExit(): Promise<ExitCheck>;
  routes(): RoutesView;
  hostChanges(): Promise<HostView>;
  /** Has the coordinator do it, in the name of this machine. */
  admin(call: AdminCall): Promise<object>;
}
