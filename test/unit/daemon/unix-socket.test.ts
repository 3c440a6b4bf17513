import { mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { silentLogger } from "../../../src/base/logger.ts";
import { isServed, listenOnUnixSocket } from "../../../src/daemon/unix-socket.ts";

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "mesh-socket-"));
  path = join(directory, "daemon.sock");
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

it("a daemon's socket is its owner's, and what goes wrong with one connection ends neither it nor the process", async () => {
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (_fields: object, message: string) => void warnings.push(message) };
  const server = createServer((socket) => socket.end());
  expect(await listenOnUnixSocket(server, path, logger)).toBe(true);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  // As Node tells of an accept(2) that failed; without a listener this throws, and ends the process.
  server.emit("error", Object.assign(new Error("accept EMFILE"), { code: "EMFILE" }));
  expect(warnings).toEqual(["a connection was not accepted"]);
  expect(await isServed(path)).toBe(true);
  await new Promise((resolve) => server.close(resolve));
});

it("a name that a live process serves is left alone", async () => {
  const [first, second] = [createServer(), createServer()];
  expect(await listenOnUnixSocket(first, path, silentLogger)).toBe(true);
  expect(await listenOnUnixSocket(second, path, silentLogger)).toBe(false);
  expect(second.listening).toBe(false);
  await new Promise((resolve) => first.close(resolve));
});
