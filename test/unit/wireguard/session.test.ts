import { describe, expect, it } from "vitest";
import { makeConnectedPair, makePair, text, textOf } from "../../support/wireguard-pair.ts";

describe("a session", () => {
  it("carries packets both ways after one handshake", () => {
    const { network, alice, bob } = makeConnectedPair();
    expect(textOf(bob.received[0]?.payload)).toBe("hello");
    expect(textOf(alice.received[0]?.payload)).toBe("hello yourself");
    expect(network.sent.filter(({ bytes }) => bytes.length === 148)).toHaveLength(1);
  });

  it("needs the same preshared key at both ends", () => {
    const psk = new Uint8Array(32).fill(5);
    makeConnectedPair({ atAlice: { presharedKey: psk }, atBob: { presharedKey: psk } });
    const { network, alice, bob, bobId } = makePair({ atAlice: { presharedKey: psk } });
    alice.send(bobId, text("hello"));
    network.run(1000);
    expect(bob.received).toHaveLength(0);
    expect(alice.device.drops["not-authentic"]).toBe(1);
  });
});
