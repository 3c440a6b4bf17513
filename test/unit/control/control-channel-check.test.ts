import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { ControlChannel } from "../../../src/control/control-channel.ts";
import { CoordinatorHttp } from "../../../src/control/coordinator-http.ts";
import { PeerKeys } from "../../../src/control/peer-keys.ts";
import { register } from "../../../src/control/registration.ts";
import { FreezingLink } from "../../support/freezing-link.ts";
import { RunningCoordinator } from "../../support/running-coordinator.ts";

describe("the control channel when the network has changed", () => {
  let coordinator: RunningCoordinator;
  let link: FreezingLink;
  let channel: ControlChannel;

  beforeEach(async () => {
    coordinator = await RunningCoordinator.start();
    link = await FreezingLink.to(Number(new URL(coordinator.url).port));
    const trust = { kind: "fingerprint", fingerprint: coordinator.caFingerprint } as const;
    const http = await CoordinatorHttp.connect({ url: coordinator.url, trust });
    const keys = PeerKeys.generate();
    const { token } = await coordinator.createToken();
    await register(http, { name: "alice", keys, token });
    channel = new ControlChannel(
      { urls: [coordinator.url], networkId: http.info.network.id, trust: http.trust, keys, map: undefined },
      { onMap: () => undefined, onCall: () => undefined, onStateChange: () => undefined },
      { logger: silentLogger, clock: systemClock, socketFactory: link.dial },
    );
    channel.start();
  });
  afterEach(async () => {
    await channel.close();
    await link[Symbol.asyncDispose]();
    await coordinator[Symbol.asyncDispose]();
  });

  const connected = () => vi.waitFor(() => expect(channel.state.connected).toBe(true), 10_000);

  it("keeps a connection that answers", async () => {
    await connected();
    const dials = link.dials;
    channel.checkNow();
    channel.checkNow();
    // Past the time that a connection without an answer would get.
    await expect(vi.waitUntil(() => link.dials > dials, 2500)).rejects.toThrow();
    expect(channel.state).toMatchObject({ connected: true, error: null });
  }, 30_000);

  it("leaves one that does not within two seconds, and connects again at once", async () => {
    await connected();
    link.freeze();
    const askedAtMs = performance.now();
    channel.checkNow();
    await vi.waitFor(() => expect(channel.state.error?.code).toBe("timeout"), { timeout: 3000, interval: 5 });
    const leftAtMs = performance.now();
    expect(leftAtMs - askedAtMs).toBeGreaterThan(1900);
    await vi.waitFor(() => expect(link.dials).toBe(2), { timeout: 200, interval: 5 });
    await connected();
  }, 30_000);

  it("begins an attempt anew that waits for an answer", async () => {
    await connected();
    link.isDeaf = true;
    await coordinator.stop();
    await vi.waitFor(() => expect(link.dials).toBe(2), 5000);
    await coordinator.startAgain();
    link.isDeaf = false;
    channel.checkNow();
    await vi.waitFor(() => expect(link.dials).toBe(3), { timeout: 200, interval: 5 });
    await connected();
  }, 30_000);

  it("does not wait for the next attempt", async () => {
    await connected();
    await coordinator.stop();
    await vi.waitFor(() => expect(channel.state.connected).toBe(false));
    // Each attempt that fails doubles the wait.
    await vi.waitFor(() => expect(link.dials).toBeGreaterThan(3), 10_000);
    await coordinator.startAgain();
    const dials = link.dials;
    channel.checkNow();
    await vi.waitFor(() => expect(link.dials).toBe(dials + 1), { timeout: 200, interval: 5 });
    await connected();
  }, 30_000);
});
