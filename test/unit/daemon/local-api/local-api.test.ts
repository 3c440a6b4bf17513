import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { type PingReply, pingReplySchema, preferencesSchema, statusSchema } from "../../../../src/api/local.ts";
import { exitUseSchema } from "../../../../src/api/local-exit.ts";
import { filterEntrySchema, filterViewSchema } from "../../../../src/api/local-filter.ts";
import { hostViewSchema } from "../../../../src/api/local-host.ts";
import { logLineSchema } from "../../../../src/api/local-logs.ts";
import { MeshError } from "../../../../src/base/errors.ts";
import { silentLogger } from "../../../../src/base/logger.ts";
import { UnixHttp } from "../../../../src/cli/clients/unix-http.ts";
import { LocalApi } from "../../../../src/daemon/local-api/local-api.ts";
import { DEFAULTS, FakeDaemon } from "./fake-daemon.ts";

const DEPS = { logger: silentLogger, group: () => null };

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
    api = await LocalApi.open(path, daemon, DEPS);
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

  it("tells the latest of the log by level, and goes on with what comes", async () => {
    const say = (level: number, msg: string) => daemon.logs.push(JSON.stringify({ level, msg }));
    for (let i = 0; i < 5; i++) say(i % 2 === 0 ? 30 : 40, `line ${i}`);
    const hungUp = new AbortController();
    const read = (query: string) =>
      client.lines({ method: "GET", path: `/v1/logs?${query}`, signal: hungUp.signal }, logLineSchema);
    const all = async (lines: AsyncIterable<unknown>) => {
      const read: unknown[] = [];
      for await (const line of lines) read.push(line);
      return read;
    };
    const entries = await all(read("lines=2&level=info"));
    expect(entries).toEqual([{ entry: { level: 40, msg: "line 3" } }, { entry: { level: 30, msg: "line 4" } }]);
    expect(await all(read("level=error"))).toEqual([]);
    const following = read("lines=1&level=warn&follow=true");
    expect((await following.next()).value).toEqual({ entry: { level: 40, msg: "line 3" } });
    say(30, "of no concern");
    say(50, "it broke");
    expect((await following.next()).value).toEqual({ entry: { level: 50, msg: "it broke" } });
    await following.return(undefined);
    for (const wrong of ["lines=x", "level=loud", "since=1"]) {
      await expect(read(wrong).next()).rejects.toMatchObject({ code: "bad-request" });
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

  it("listens on a socket to which everybody can connect, and removes it at the end", async () => {
    expect(statSync(path).mode & 0o777).toBe(0o666);
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
    ["GET", "/v1/up", undefined, "method-not-allowed"],
    ["POST", "/v1/ping", {}, "bad-request"],
    ["POST", "/v1/ping", { peer: "bob", count: -1 }, "bad-request"],
    ["POST", "/v1/ping", { peer: "bob", surprise: 1 }, "bad-request"],
    ["POST", "/v1/ping", { peer: "x".repeat(70_000) }, "too-large"],
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

  it.each([
    ["GET", "/v1/up", "POST"],
    ["DELETE", "/v1/settings?all=true", "GET, POST"],
    ["PUT", "/v1/admin/tokens", "GET, POST, DELETE"],
    ["HEAD", "/v1/status", "GET"],
  ])("says to %s %s which methods the path takes: %s", async (method, route, allowed) => {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      request({ socketPath: path, method, path: route }, resolve).once("error", reject).end();
    });
    answer.resume();
    expect([answer.statusCode, answer.headers.allow]).toEqual([405, allowed]);
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
    await expect(LocalApi.open(path, daemon, DEPS)).rejects.toMatchObject({
      code: "already-running",
      exitStatus: 6,
    });
    await api.close();
    await leaveStaleSocket(path);
    api = await LocalApi.open(path, daemon, DEPS);
    expect(await client.call({ method: "GET", path: "/v1/status" }, statusSchema)).toEqual(daemon.status());
  });

  it("never removes what is no socket", async () => {
    await api.close();
    writeFileSync(path, "somebody's file");
    await expect(LocalApi.open(path, daemon, DEPS)).rejects.toThrow();
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
