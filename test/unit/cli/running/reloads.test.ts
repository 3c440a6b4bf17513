import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MeshError } from "../../../../src/base/errors.ts";
import { silentLogger } from "../../../../src/base/logger.ts";
import { Reloads } from "../../../../src/cli/running/reloads.ts";
import { NotifySocket } from "../../../support/notify-socket.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "mesh-reloads-"));
  vi.stubEnv("NOTIFY_SOCKET", join(directory, "notify"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true, force: true });
});

describe("reading the configuration again", () => {
  it("is asked for during the start, and done after it; the service manager hears of its begin and end", async () => {
    using socket = new NotifySocket(join(directory, "notify"));
    const reloads = new Reloads(silentLogger);
    reloads.ask();
    const read = vi.fn(async () => undefined);
    reloads.serve(read);
    await reloads.close();
    expect(read).toHaveBeenCalledTimes(0);

    const later = new Reloads(silentLogger);
    later.ask();
    await new Promise<void>((resolve) => later.serve(async () => resolve()));
    await later.close();
    expect(socket.take()).toEqual([expect.stringMatching(/^RELOADING=1\nMONOTONIC_USEC=\d+$/), "READY=1"]);
  });

  it("goes on once at a time, and as often as asked for is once more", async () => {
    const reloads = new Reloads(silentLogger);
    let [running, most, times] = [0, 0, 0];
    let begun: () => void = () => {};
    const first = new Promise<void>((resolve) => {
      begun = resolve;
    });
    let go: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      go = resolve;
    });
    reloads.serve(async () => {
      most = Math.max(most, ++running);
      begun();
      await held;
      running--;
      times++;
    });
    reloads.ask();
    await first;
    for (let round = 0; round < 5; round++) reloads.ask();
    go();
    await vi.waitFor(() => expect(times).toBe(2));
    await reloads.close();
    expect([times, most]).toEqual([2, 1]);
  });

  it("that fails is an error in the log, and the next one is tried", async () => {
    const error = vi.fn();
    const reloads = new Reloads({ ...silentLogger, error });
    let times = 0;
    reloads.serve(async () => {
      if (++times === 1) throw new MeshError("bad-config", "peer.yaml:2: unknown key");
    });
    reloads.ask();
    await vi.waitFor(() => expect(error).toHaveBeenCalledTimes(1));
    expect(error.mock.calls[0]).toEqual([{ code: "bad-config" }, expect.stringContaining("peer.yaml:2: unknown key")]);
    reloads.ask();
    await vi.waitFor(() => expect(times).toBe(2));
    await reloads.close();
    expect(error).toHaveBeenCalledTimes(1);
  });
});
