import type { ExplainRequest, Explanation } from "../../../../src/api/explain.ts";
import type {
  AcceptedPeer,
  DownReply,
  NetcheckReply,
  PingReply,
  PreferenceReply,
  PreferenceRequest,
  Preferences,
  Status,
} from "../../../../src/api/local.ts";
import type { BugReport, BugReportRequest } from "../../../../src/api/local-bug-report.ts";
import type { ExitUseRequest } from "../../../../src/api/local-exit.ts";
import type { FilterAdd } from "../../../../src/api/local-filter.ts";
import type { SettingsRequest, SettingsView, SettleRequest } from "../../../../src/api/local-settings.ts";
import { MeshError } from "../../../../src/base/errors.ts";
import type { MetricFamily } from "../../../../src/base/metrics.ts";
import type { AdminCall } from "../../../../src/daemon/admin-call.ts";
import type { LocalApiTarget } from "../../../../src/daemon/local-api/target.ts";
import { LogRing } from "../../../../src/daemon/log/log-ring.ts";
import { buildStatus } from "../../../../src/daemon/status-builder.ts";
import { randomKey } from "../../../support/network-map.ts";

export const DEFAULTS = {
  in: { verdict: "allow", from: "built-in" },
  out: { verdict: "allow", from: "built-in" },
} as const;

const NO_EXIT = { nodes: [], using: null, families: [], allowLan: false, confirmBy: null };

/** A daemon without a network: notes what it is asked. */
export class FakeDaemon implements LocalApiTarget {
  readonly filter = {
    view: () => ({ defaults: DEFAULTS, rules: [], connections: 0 }),
    add: async ({ rule, ttlSeconds }: FilterAdd) => {
      this.calls.push(`add for ${ttlSeconds}`);
      return { id: "1", layer: "local" as const, ...rule, hits: 0, expiresAt: null, note: null };
    },
    remove: async () => {
      throw new MeshError("filter-ambiguous", "2 rules say that");
    },
    setDefault: async () => DEFAULTS,
  };
  readonly listeners = new Set<() => void>();
  readonly calls: string[] = [];
  warnings: string[] = [];
  pingsAborted = false;

  status(): Status {
    const { warnings } = this;
    return buildStatus({
      state: "stopped",
      network: "mesh",
      self: undefined,
      coordinatorUrl: undefined,
      warnings,
      session: undefined,
    });
  }
  metrics(): MetricFamily[] {
    return [];
  }
  readonly logs = new LogRing();
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  async up(): Promise<void> {
    throw new MeshError("port-in-use", "UDP port 51820 is in use");
  }
  settings(): SettingsView {
    return { settings: [] };
  }
  async set({ settings }: SettingsRequest) {
    this.calls.push(`set ${Object.keys(settings).join()}`);
    return { changed: [], rebuilt: false, settings: [] };
  }
  async settle({ settings }: SettleRequest) {
    this.calls.push(`settle ${Object.keys(settings ?? {}).join()}`);
    return { changed: [], rebuilt: false, settings: [] };
  }
  async down(): Promise<DownReply> {
    this.calls.push("down");
    return { state: "stopped", ends: true };
  }
  async leave() {
    return { deregistered: true };
  }
  async rotateKeys() {
    return { publicKey: randomKey(), previousPublicKey: randomKey() };
  }
  async explain({ to, protocol, port }: ExplainRequest): Promise<Explanation> {
    const ends = { source: { name: "me", address: "10.0.0.1" }, destination: { name: to, address: null } };
    return { verdict: "unreachable", by: "dns", reason: "nobody", ...ends, carrier: null, protocol, port, steps: [] };
  }
  async *ping({ peer, count = 0 }: { peer: string; count?: number | undefined }, signal: AbortSignal) {
    if (peer === "nobody") throw new MeshError("not-found", "there is no peer nobody");
    signal.addEventListener("abort", () => {
      this.pingsAborted = true;
    });
    for (let seq = 1; count === 0 || seq <= count; seq++) {
      const reply: PingReply = { seq, peer, rttMs: 1, transport: "udp", endpoint: "192.0.2.1:1" };
      yield reply;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  dns = {
    status: () => ({
      enabled: false,
      domain: "mesh",
      listeners: [],
      peers: 1,
      records: 0,
      routes: [],
      host: { manager: null, inForce: false, reason: "it was not asked for" },
      servesPeers: false,
      cached: 0,
    }),
    query: async () => ({ replies: [] }),
  };
  exits() {
    return { offer: { offered: false, families: [], forbidden: false }, use: NO_EXIT, exits: [] };
  }
  async useExit({ nodes, allowLan = false, confirmWithinSeconds }: ExitUseRequest) {
    this.calls.push(`use ${nodes.join()} within ${confirmWithinSeconds}`);
    return { ...NO_EXIT, nodes, allowLan };
  }
  async checkExit() {
    return { ok: true, checks: [] };
  }
  async confirmExit() {
    return NO_EXIT;
  }
  async offerExit(offer: boolean) {
    this.calls.push(`offer ${offer}`);
    return { offered: offer, families: ["ipv4" as const], forbidden: false };
  }
  routes() {
    return { routes: [{ cidr: "192.168.50.0/24", peer: "bob", inForce: true, detail: "accepted" }] };
  }
  async hostChanges() {
    return { changes: [{ owner: "guard", kind: "rule", what: "ipv4 rule 5210", outlivesDaemon: true }] };
  }
  preferences(): Preferences {
    return { transports: ["udp"], peers: [{ peer: "bob", preference: null }] };
  }
  async prefer({ peer, preference }: PreferenceRequest): Promise<PreferenceReply> {
    return { peer, preference: preference === null ? null : { ...preference, from: "command" } };
  }
  async netcheck(signal: AbortSignal): Promise<NetcheckReply> {
    this.calls.push("netcheck");
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    this.calls.push("netcheck given up");
    throw new MeshError("interrupted", "nobody waits any more");
  }
  async bugReport(request: BugReportRequest): Promise<BugReport> {
    return { schemaVersion: 1, createdAt: new Date(0).toISOString(), noDaemon: null, request };
  }
  async admin({ method, path, body }: AdminCall): Promise<object> {
    if (method === "DELETE") throw new MeshError("not-permitted", "this needs the admin right");
    this.calls.push([method, path, ...(body === undefined ? [] : [body])].join(" "));
    return [];
  }
  async acceptPeer(name: string): Promise<AcceptedPeer> {
    this.calls.push(`accept ${name}`);
    return { name, ip4: "10.86.0.2", ip6: "fd86::2", publicKey: `${"A".repeat(43)}=` };
  }
}
