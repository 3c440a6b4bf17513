import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { silentLogger } from "../../../../src/base/logger.ts";
import { NetworkWatch } from "../../../../src/daemon/session/network-watch.ts";
import { bootTimeMs } from "../../../../src/host/ffi/boot-time.ts";

describe("the clocks under watch", () => {
  let clocks: { monotonicMs: number; bootMs: number; wallMs: number };
  let changes: { sleptMs: number }[];
  let watch: NetworkWatch;

  /** A second of ours, in which the others may have gone further. */
  function second(more: Partial<typeof clocks> = {}): void {
    clocks.monotonicMs += 1000 + (more.monotonicMs ?? 0);
    clocks.bootMs += 1000 + (more.bootMs ?? 0);
    clocks.wallMs += 1000 + (more.wallMs ?? 0);
    vi.advanceTimersByTime(1000);
  }

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    clocks = { monotonicMs: 50_000, bootMs: 90_000, wallMs: Date.now() };
    changes = [];
    watch = new NetworkWatch(
      { interfaceName: "mesh-none" },
      {
        clock: { monotonicMs: () => clocks.monotonicMs, wallMs: () => clocks.wallMs },
        bootMs: () => clocks.bootMs,
        logger: silentLogger,
        onChange: (change) => changes.push(change),
      },
    );
  });
  afterEach(() => {
    watch[Symbol.dispose]();
    vi.useRealTimers();
  });

  it("say nothing while they run together", () => {
    for (let i = 0; i < 100; i++) second();
    expect(changes).toEqual([]);
  });

  it("tell for how long the machine slept", () => {
    second({ bootMs: 300_000, wallMs: 300_000 });
    second();
    expect(changes).toEqual([{ sleptMs: 300_000 }]);
  });

  it("tell that we did not run, and that the wall clock was set ahead, which is no sleep", () => {
    second({ monotonicMs: 60_000, bootMs: 60_000, wallMs: 60_000 });
    second({ wallMs: 60_000 });
    expect(changes).toEqual([{ sleptMs: 0 }, { sleptMs: 0 }]);
  });
});

describe("the time since boot", () => {
  it("is the kernel's", () => {
    const uptimeMs = () => Number(readFileSync("/proc/uptime", "latin1").split(" ")[0]) * 1000;
    // Hundredths of a second there.
    expect(bootTimeMs()).toBeGreaterThanOrEqual(uptimeMs() - 10);
    const bootMs = bootTimeMs();
    expect(uptimeMs()).toBeGreaterThanOrEqual(bootMs - 10);
  });
});
