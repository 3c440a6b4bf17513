import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FileLock } from "../../../src/host/file-lock.ts";

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lock-"));
  path = join(directory, "lock");
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test("one holder at a time, and the refusal names it", async () => {
  const lock = await FileLock.acquire(path, "a daemon");
  await expect(FileLock.acquire(path, "a daemon")).rejects.toMatchObject({
    code: "already-running",
    message: `a daemon is running already (process ${process.pid})`,
  });
  await lock[Symbol.asyncDispose]();
  const next = await FileLock.acquire(path, "a daemon");
  await next[Symbol.asyncDispose]();
});

test("a process killed without warning holds nothing", async () => {
  // flock(1) takes the same kind of lock as we do.
  const other = spawn("flock", [path, "sh", "-c", "echo held; exec sleep 60"], {
    stdio: ["ignore", "pipe", "ignore"],
    detached: true,
  });
  await once(other.stdout, "data");
  await expect(FileLock.acquire(path, "a daemon")).rejects.toMatchObject({ code: "already-running" });
  const ended = once(other, "close");
  process.kill(-other.pid!, "SIGKILL");
  await ended;
  const lock = await FileLock.acquire(path, "a daemon");
  await lock[Symbol.asyncDispose]();
});

test("a lock file deleted and made anew has one holder again", async () => {
  const first = await FileLock.acquire(path, "a daemon");
  rmSync(path);
  const second = await FileLock.acquire(path, "a daemon");
  await expect(FileLock.acquire(path, "a daemon")).rejects.toMatchObject({ code: "already-running" });
  await first[Symbol.asyncDispose]();
  await second[Symbol.asyncDispose]();
});

test("the file is the owner's alone and says who holds it", async () => {
  const lock = await FileLock.acquire(path, "a daemon");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readFileSync(path, "utf8")).toBe(`${process.pid}\n`);
  await lock[Symbol.asyncDispose]();
});
