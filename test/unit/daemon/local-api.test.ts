import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import type { ExplainRequest, Explanation } from "../../../src/api/explain.ts";
import {
  type AcceptedPeer,
  type DownReply,
  type NetcheckReply,
  type PingReply,
  type PreferenceReply,
  type PreferenceRequest,
  type Preferences,
  pingReplySchema,
  preferencesSchema,
  type Status,
  statusSchema,
} from "../../../src/api/local.ts";
import { type ExitUseRequest, exitUseSchema } from "../../../src/api/local-exit.ts";
import { type FilterAdd, filterEntrySchema, filterViewSchema } from "../../../src/api/local-filter.ts";
import { hostViewSchema } from "../../../src/api/local-host.ts";
import { MeshError } from "../../../src/base/errors.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { UnixHttp } from "../../../src/cli/unix-http.ts";
import type { AdminCall } from "../../../src/daemon/admin-call.ts";
import { LocalApi, type LocalApiTarget } from "../../../src/daemon/local-api.ts";
import { buildStatus } from "../../../src/daemon/status-builder.ts";
import { randomKey } from "../../support/network-map.ts";

const DEFAULTS = {
  in: { verdict: "allow", from: "built-in" },
  out: { verdict: "allow", from: "built-in" },
} as const;

const NO_EXIT = { nodes: [], using: null, families: [], allowLan: false, confirmBy: null };

class FakeDaemon implements LocalApiTarget {
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
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  async up(): Promise<void> {
    throw new MeshError("port-in-use", "UDP port 51820 is in use");
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

describe("the local API", () => {
  let directory: string;
  let path: string;
  let daemon: FakeDaemon;
  let api: LocalApi;
  let client: UnixHttp;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "mesh-api-"));
    path = join(directory, "run", "peer-mesh.sock");
    daemon = new FakeDaemon();
    api = await LocalApi.open(path, daemon, { logger: silentLogger });
    client = new UnixHttp(path, () => new MeshError("no-daemon", "no daemon"));
  });
  afterEach(async () => {
    await api.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const post = (route: string, body: object) => client.call({ method: "POST", path: route, body }, z.unknown());

  it("takes an exit to use, with how long it may wait for a word", async () => {
    const use = (body: object) => client.call({ method: "POST", path: "/v1/exit/use", body }, exitUseSchema);
    expect(await use({ nodes: ["bob", "tag:far"], allowLan: true })).toMatchObject({ allowLan: true, using: null });
    await use({ nodes: [], confirmWithinSeconds: 60 });
    expect(daemon.calls).toEqual(["use bob,tag:far within null", "use  within 60"]);
    for (const body of [{ nodes: ["off"] }, { nodes: ["bob"], confirmWithinSeconds: 0 }, {}]) {
      await expect(use(body)).rejects.toMatchObject({ code: "bad-request" });
    }
  });

  it("tells what is changed on the host", async () => {
    const view = await client.call({ method: "GET", path: "/v1/host" }, hostViewSchema);
    expect(view).toEqual(await daemon.hostChanges());
  });

  it("tells of the packet filter, and takes changes whose shape is right only", async () => {
    const view = await client.call({ method: "GET", path: "/v1/filter" }, filterViewSchema);
    expect(view).toEqual({ defaults: DEFAULTS, rules: [], connections: 0 });
    const rule = {
      action: "deny",
      direction: "in",
      protocol: "tcp",
      ports: "90,80-89",
      source: "cidr:10.0.0.0/8",
      destination: "any",
      comment: null,
    };
    const add = (body: object) => client.call({ method: "POST", path: "/v1/filter/add", body }, filterEntrySchema);
    expect(await add({ rule, ttlSeconds: 600 })).toMatchObject({ ...rule, ports: "80-90" });
    expect(daemon.calls).toEqual(["add for 600"]);
    for (const body of [
      { rule, ttlSeconds: -1 },
      { rule: { ...rule, ports: "0" }, ttlSeconds: null },
      { rule: { ...rule, source: "peer:Robert'); --" }, ttlSeconds: null },
      { rule: { ...rule, comment: "a\u001b[2Jb" }, ttlSeconds: null },
      { rule: { ...rule, id: "mine" }, ttlSeconds: null },
    ])
      await expect(add(body)).rejects.toMatchObject({ code: "bad-request", exitStatus: 2 });
    expect(daemon.calls).toHaveLength(1);
    await expect(post("/v1/filter/remove", { match: {} })).rejects.toMatchObject({ code: "bad-request" });
    await expect(post("/v1/filter/remove", { match: { ports: "22" } })).rejects.toMatchObject({
      code: "filter-ambiguous",
      exitStatus: 6,
    });
    await expect(post("/v1/filter/default", { direction: "in", verdict: "reject" })).rejects.toMatchObject({
      code: "bad-request",
    });
    expect(await post("/v1/filter/default", { direction: "in", verdict: null })).toEqual(DEFAULTS);
  });

  it("listens on a socket that only its owner and root can connect to, and removes it at the end", async () => {
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await api.close();
    expect(() => statSync(path)).toThrow();
    await expect(post("/v1/down", {})).rejects.toMatchObject({ code: "no-daemon", exitStatus: 3 });
  });

  it("answers, and errors keep their code across the socket", async () => {
    expect(await client.call({ method: "GET", path: "/v1/status" }, statusSchema)).toEqual(daemon.status());
    await post("/v1/down", {});
    await post("/v1/peers/accept", { name: "bob" });
    expect(daemon.calls).toEqual(["down", "accept bob"]);
    await expect(post("/v1/up", {})).rejects.toMatchObject({ code: "port-in-use", exitStatus: 6 });
    await expect(post("/v1/ping", { peer: "nobody" })).rejects.toMatchObject({ code: "not-found" });
  });

  it.each([
    ["POST", "/v1/nothing", {}, "not-found"],
    ["GET", "/v1/up", undefined, "not-found"],
    ["POST", "/v1/ping", {}, "bad-request"],
    ["POST", "/v1/ping", { peer: "bob", count: -1 }, "bad-request"],
    ["POST", "/v1/ping", { peer: "bob", surprise: 1 }, "bad-request"],
    ["POST", "/v1/ping", { peer: "x".repeat(70_000) }, "bad-request"],
    ["POST", "/v1/peers/accept", { name: "../../etc" }, "bad-request"],
    ["POST", "/v1/preferences", { peer: "bob" }, "bad-request"],
    ["POST", "/v1/preferences", { peer: "bob", preference: { prefer: "quic", exclude: [] } }, "bad-request"],
    ["POST", "/v1/preferences", { peer: "bob", preference: { prefer: "udp", exclude: ["udp"] } }, "bad-request"],
    [
      "POST",
      "/v1/preferences",
      { peer: "bob", preference: { prefer: null, exclude: ["udp", "ssh", "relay"] } },
      "bad-request",
    ],
  ] as const)("refuses %s %s with %j: %s", async (method, route, body, code) => {
    const call = { method, path: route, ...(body === undefined ? {} : { body }) };
    await expect(client.call(call, z.unknown())).rejects.toMatchObject({ code });
  });

  it("passes on what is for the coordinator as it is, and its errors with their codes", async () => {
    expect(await client.call({ method: "GET", path: "/v1/admin/audit?since=1" }, z.unknown())).toEqual([]);
    await post("/v1/admin/tokens", { uses: 2 });
    expect(daemon.calls).toEqual(["GET /v1/admin/audit?since=1", 'POST /v1/admin/tokens {"uses":2}']);
    const refused = client.call({ method: "DELETE", path: "/v1/admin/peers/bob" }, z.unknown());
    await expect(refused).rejects.toMatchObject({ code: "not-permitted", exitStatus: 4 });
  });

  it("keeps and tells what is asked of paths", async () => {
    expect(await client.call({ method: "GET", path: "/v1/preferences" }, preferencesSchema)).toEqual(
      daemon.preferences(),
    );
    const preference = { prefer: "relay", exclude: ["ssh"] };
    expect(await post("/v1/preferences", { peer: "bob", preference })).toEqual({
      peer: "bob",
      preference: { ...preference, from: "command" },
    });
    expect(await post("/v1/preferences", { peer: "bob", preference: null })).toEqual({ peer: "bob", preference: null });
  });

  it("ends a measurement whose caller hangs up", async () => {
    const caller = new AbortController();
    const call = { method: "POST", path: "/v1/netcheck", body: {}, signal: caller.signal } as const;
    const answer = expect(client.call(call, z.unknown())).rejects.toThrow();
    await vi.waitFor(() => expect(daemon.calls).toEqual(["netcheck"]));
    caller.abort();
    await answer;
    await vi.waitFor(() => expect(daemon.calls).toEqual(["netcheck", "netcheck given up"]));
  });

  it("streams pings and stops when the caller hangs up", async () => {
    const finite: PingReply[] = [];
    for await (const reply of client.lines(
      { method: "POST", path: "/v1/ping", body: { peer: "bob", count: 3 } },
      pingReplySchema,
    )) {
      finite.push(reply);
    }
    expect(finite.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    for await (const reply of client.lines(
      { method: "POST", path: "/v1/ping", body: { peer: "bob", count: 0 } },
      pingReplySchema,
    )) {
      if (reply.seq === 2) break;
    }
    await vi.waitFor(() => expect(daemon.pingsAborted).toBe(true));
  });

  it("sends a status line at every change, none without one, and forgets a watcher that left", async () => {
    const lines = client.lines({ method: "GET", path: "/v1/status/watch" }, statusSchema);
    expect((await lines.next()).value.warnings).toEqual([]);
    const change = () => {
      for (const listener of daemon.listeners) listener();
    };
    change();
    daemon.warnings = ["look"];
    change();
    expect((await lines.next()).value.warnings).toEqual(["look"]);
    await lines.return(undefined);
    await vi.waitFor(() => expect(daemon.listeners.size).toBe(0));
  });

  it("refuses a second daemon, and takes over from one that died", async () => {
    await expect(LocalApi.open(path, daemon, { logger: silentLogger })).rejects.toMatchObject({
      code: "already-running",
      exitStatus: 6,
    });
    await api.close();
    await leaveStaleSocket(path);
    api = await LocalApi.open(path, daemon, { logger: silentLogger });
    expect(await client.call({ method: "GET", path: "/v1/status" }, statusSchema)).toEqual(daemon.status());
  });

  it("never removes what is no socket", async () => {
    await api.close();
    writeFileSync(path, "somebody's file");
    await expect(LocalApi.open(path, daemon, { logger: silentLogger })).rejects.toThrow();
    expect(statSync(path).isFile()).toBe(true);
  });
});

/** What a killed daemon leaves: the name of a socket that nobody listens on. */
async function leaveStaleSocket(path: string): Promise<void> {
  const { renameSync } = await import("node:fs");
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${path}.live`, resolve));
  renameSync(`${path}.live`, path);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  expect(statSync(path).isSocket()).toBe(true);
}
