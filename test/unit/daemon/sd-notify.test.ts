import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silentLogger as logger } from "../../../src/base/logger.ts";
import { notifyService } from "../../../src/daemon/sd-notify.ts";
import { beats, startWatchdog } from "../../../src/daemon/watchdog.ts";
import { WakeFlag } from "../../../src/router/shared/wake-flag.ts";
import { NotifySocket } from "../../support/notify-socket.ts";
import { soon } from "../../support/soon.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "mesh-notify-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe("telling the service manager (sd_notify(3))", () => {
  it("sends one datagram to a path", () => {
    const path = join(directory, "notify");
    using socket = new NotifySocket(path);
    expect(notifyService("READY=1", path)).toBe(true);
    expect(socket.take()).toEqual(["READY=1"]);
  });

  it("sends one datagram to an abstract name", () => {
    using socket = new NotifySocket(`\0mesh-notify-${process.pid}`);
    expect(notifyService("READY=1", `@mesh-notify-${process.pid}`)).toBe(true);
    expect(socket.take()).toEqual(["READY=1"]);
  });

  it("is no failure where nobody listens", () => {
    expect(notifyService("READY=1", undefined)).toBe(false);
    expect(notifyService("READY=1", "")).toBe(false);
    expect(notifyService("READY=1", join(directory, "nobody"))).toBe(false);
    expect(notifyService("READY=1", `/${"x".repeat(200)}`)).toBe(false);
  });
});

describe("the service manager's watchdog (sd_watchdog_enabled(3))", () => {
  const environment = (extra: NodeJS.ProcessEnv = {}) => ({
    NOTIFY_SOCKET: join(directory, "notify"),
    WATCHDOG_USEC: "40000",
    WATCHDOG_PID: String(process.pid),
    ...extra,
  });

  it("is pinged twice in its time, until the end", async () => {
    using socket = new NotifySocket(join(directory, "notify"));
    const watchdog = startWatchdog({ logger, environment: environment() });
    expect(socket.take()).toEqual(["WATCHDOG=1"]);
    await soon(() => expect(socket.take()).toContain("WATCHDOG=1"));
    watchdog[Symbol.dispose]();
    socket.take();
    let later = 0;
    using _ = startWatchdog({ logger, environment: environment(), isAlive: () => ++later < 0 });
    await soon(() => expect(later).toBeGreaterThan(3));
    expect(socket.take()).toEqual([]);
  });

  it("is pinged only while what it asks for is alive", async () => {
    using socket = new NotifySocket(join(directory, "notify"));
    let isAlive = false;
    let asked = 0;
    const deps = { logger, environment: environment(), isAlive: () => ++asked > 0 && isAlive };
    using _ = startWatchdog(deps);
    await soon(() => expect(asked).toBeGreaterThan(2));
    expect(socket.take()).toEqual([]);
    isAlive = true;
    await soon(() => expect(socket.take()).toContain("WATCHDOG=1"));
  });

  it.each([
    ["no watchdog waits", { WATCHDOG_USEC: undefined }],
    ["it waits for another process", { WATCHDOG_PID: "1" }],
    ["its time is no number", { WATCHDOG_USEC: "soon" }],
    ["there is no socket", { NOTIFY_SOCKET: undefined }],
  ])("is not pinged where %s", (_what, extra) => {
    using socket = new NotifySocket(join(directory, "notify"));
    using _ = startWatchdog({ logger, environment: environment(extra) });
    expect(socket.take()).toEqual([]);
  });

  it("believes a thread that answers when it is woken, and no other", () => {
    const flag = WakeFlag.open();
    const pulseOf = (wake: WakeFlag) => ({
      pulse: () => {
        wake.wake();
        return wake.answers;
      },
    });
    let current: ReturnType<typeof pulseOf> | undefined = pulseOf(flag);
    const isAlive = beats(() => current);
    expect(isAlive()).toBe(true);
    expect(isAlive()).toBe(false);
    new WakeFlag(flag.shared).clear();
    expect(isAlive()).toBe(true);
    expect(isAlive()).toBe(false);
    // Another one has had no time yet, and what is stopped need not move.
    current = pulseOf(flag);
    expect(isAlive()).toBe(true);
    current = undefined;
    expect([isAlive(), isAlive()]).toEqual([true, true]);
    flag.close();
  });
});
