import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { errorBodySchema } from "../../../../src/api/error-body.ts";
import { silentLogger } from "../../../../src/base/logger.ts";
import { LocalApi } from "../../../../src/daemon/local-api/local-api.ts";
import { FakeDaemon } from "./fake-daemon.ts";

const OWNERS_CONNECTIONS = 128;
const STATUS = "GET /v1/status HTTP/1.1\r\nHost: mesh\r\n\r\n";

describe("the limits of the local API", () => {
  let directory: string;
  let path: string;
  let daemon: FakeDaemon;
  let api: LocalApi;
  let sockets: Socket[];
  const logged: object[] = [];

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "mesh-api-"));
    path = join(directory, "peer-mesh.sock");
    daemon = new FakeDaemon();
    sockets = [];
    logged.length = 0;
    const logger = { ...silentLogger, error: (fields: object) => void logged.push(fields) };
    const deps = { logger, group: () => null };
    api = await LocalApi.open(path, daemon, deps, { requestTimeoutMs: 200, drainMs: 100, checkIntervalMs: 20 });
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await api.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function connected(): Promise<Socket> {
    const socket = connect(path);
    sockets.push(socket);
    await once(socket, "connect");
    return socket;
  }

  /** What comes back for these bytes, after which the other end hangs up. */
  async function answerTo(bytes: string): Promise<{ status: number; code: string | undefined }> {
    const socket = await connected();
    socket.write(bytes, "latin1");
    const answer = await text(socket);
    const [head = "", body = ""] = answer.split("\r\n\r\n");
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
    return { status, code: status === 200 ? undefined : errorBodySchema.parse(JSON.parse(body)).error.code };
  }

  it.each([
    ["no HTTP at all", "hello\r\n\r\n", 400, "bad-request"],
    ["a method that there is not", "BREW /v1/status HTTP/1.1\r\n\r\n", 400, "bad-request"],
    ["a head that is too long", `GET /v1/status HTTP/1.1\r\nX: ${"x".repeat(9000)}\r\n\r\n`, 400, "bad-request"],
    [
      "two lengths",
      "POST /v1/down HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
      400,
      "bad-request",
    ],
    ["a long path", `GET /${"x".repeat(5000)} HTTP/1.1\r\nHost: mesh\r\n\r\n`, 404, "not-found"],
    ["nothing", "", 408, "timeout"],
    ["half a head", "GET /v1/status HTTP/1.1\r\nHost:", 408, "timeout"],
    ["half a body", "POST /v1/ping HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{", 408, "timeout"],
  ])("answers %s with an error that has a code", async (_what, bytes, status, code) => {
    expect(await answerTo(bytes)).toEqual({ status, code });
    expect(await answerTo(STATUS)).toMatchObject({ status: 200 });
    expect(logged).toEqual([]);
  });

  it("takes no more of a body than it will use", async () => {
    const body = "x".repeat(70_000);
    const head = `POST /v1/ping HTTP/1.1\r\nHost: mesh\r\nContent-Length: ${body.length}\r\n\r\n`;
    expect(await answerTo(head + body)).toEqual({ status: 413, code: "too-large" });
  });

  it("does not log what a caller breaks off in the middle", async () => {
    const socket = await connected();
    socket.write("POST /v1/ping HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{");
    socket.destroy();
    expect(await answerTo(STATUS)).toMatchObject({ status: 200 });
    expect(logged).toEqual([]);
  });

  it("tells who has too many connections open, and takes them again when there is room", async () => {
    const watch = "GET /v1/status/watch HTTP/1.1\r\nHost: mesh\r\n\r\n";
    const watchers = await Promise.all(Array.from({ length: OWNERS_CONNECTIONS }, connected));
    for (const watcher of watchers) watcher.write(watch);
    await vi.waitFor(() => expect(daemon.listeners.size).toBe(OWNERS_CONNECTIONS));
    expect(await answerTo(STATUS)).toEqual({ status: 429, code: "rate-limited" });
    watchers[0]?.destroy();
    await vi.waitFor(async () => expect(await answerTo(STATUS)).toMatchObject({ status: 200 }));
  });

  it("keeps of a stream that nobody reads no more than a buffer, and the reader then hears how it stands", async () => {
    const watcher = await connected();
    watcher.pause();
    watcher.write("GET /v1/status/watch HTTP/1.1\r\nHost: mesh\r\n\r\n");
    await vi.waitFor(() => expect(daemon.listeners.size).toBe(1));
    const long = "w".repeat(50_000);
    const before = process.memoryUsage().rss;
    for (let round = 0; round < 2000; round++) {
      daemon.warnings = [`${round} ${long}`];
      for (const listener of daemon.listeners) listener();
      if (round % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(60_000_000);
    let received = "";
    watcher.setEncoding("latin1");
    watcher.on("data", (chunk: string) => {
      received += chunk;
    });
    watcher.resume();
    await vi.waitFor(() => expect(received.includes(`1999 ${long}`)).toBe(true));
    expect(received.length).toBeLessThan(2_000_000);
  });
});
