import { describe, expect, it } from "vitest";
import type { Datagram } from "../../support/wireguard-network.ts";
import { makeConnectedPair, makePair, text, textOf } from "../../support/wireguard-pair.ts";

const isInitiation = ({ bytes }: Datagram): boolean => bytes.length === 148;
const MINUTE_MS = 60_000;

describe("a machine that slept", () => {
  it("longer than a session lives does not send by it: what waits goes by a new one, at once", () => {
    const { network, alice, bob, bobId } = makeConnectedPair();
    network.sleep(alice, 10 * MINUTE_MS);
    const before = network.sent.length;
    alice.tell({ type: "slept", ms: 10 * MINUTE_MS });
    alice.send(bobId, text("good morning"));
    expect(alice.stagedCount(bobId)).toBe(1);
    network.runUntil(() => bob.received.length === 2, 10);
    expect(textOf(bob.received.at(-1)?.payload)).toBe("good morning");
    expect(network.sent.slice(before).filter(isInitiation)).toHaveLength(1);
    expect(bob.unroutable).toBe(0);
  });

  it("for a while goes on with its session, and renews it at once: it is older than it seems", () => {
    const { network, alice, bob, bobId } = makeConnectedPair();
    network.run(100_000);
    network.sleep(alice, MINUTE_MS);
    const { lastHandshakeWallMs } = alice.device.peerStatus(bobId, 0)!;
    alice.tell({ type: "slept", ms: MINUTE_MS });
    alice.send(bobId, text("good morning"));
    expect(alice.stagedCount(bobId)).toBe(0);
    network.runUntil(() => bob.received.length === 2, 10);
    network.run(10);
    expect(alice.device.peerStatus(bobId, 0)!.lastHandshakeWallMs).toBeGreaterThan(lastHandshakeWallMs);
  });

  it("in the middle of a handshake begins it anew, and does not wait for the answer to the old one", () => {
    const { network, alice, bob, bobId } = makePair();
    network.intercept = () => false;
    alice.send(bobId, text("hello"));
    network.intercept = () => true;
    network.sleep(alice, MINUTE_MS);
    alice.tell({ type: "slept", ms: MINUTE_MS });
    network.runUntil(() => bob.received.length === 1, 10);
  });

  it("lets peers rest that it does not talk to", () => {
    const { network, alice } = makePair();
    network.sleep(alice, MINUTE_MS);
    alice.tell({ type: "slept", ms: MINUTE_MS });
    expect(network.sent).toHaveLength(0);
  });
});
