import { describe, expect, it } from "vitest";
import { COOKIE_REPLY_BYTES, INITIATION_BYTES, WHITEPAPER_TIMINGS } from "../../../src/wireguard/constants.ts";
import { CookieChecker, CookieJar } from "../../../src/wireguard/cookie.ts";
import { nodeCrypto } from "../../../src/wireguard/crypto/node.ts";
import { HANDSHAKE_LIMITS } from "../../../src/wireguard/limits.ts";
import { LoadMeter } from "../../../src/wireguard/load.ts";
import { Mac1Check } from "../../../src/wireguard/mac1-check.ts";
import { SourceLimiter } from "../../../src/wireguard/source-limiter.ts";
import { seededRandom } from "../../support/wireguard-network.ts";
import { keyFromSeed, makeConnectedPair, makePair, text } from "../../support/wireguard-pair.ts";

const HOME = { address: "192.0.2.7", port: 1000 };
const bobKey = keyFromSeed("bob");
const ALWAYS_LOADED = { ...HANDSHAKE_LIMITS, unloadedHandshakesPerSecond: 0 };

function makeCookies(): { checker: CookieChecker; jar: CookieJar; message: Uint8Array } {
  const deps = { crypto: nodeCrypto, timings: WHITEPAPER_TIMINGS, random: seededRandom("cookie") };
  const message = new Uint8Array(INITIATION_BYTES);
  message[0] = 1;
  return { checker: new CookieChecker(deps, bobKey.publicKey), jar: new CookieJar(deps, bobKey.publicKey), message };
}

describe("cookies", () => {
  it("MAC1 is taken when true and refused when any byte differs", () => {
    const { checker, jar, message } = makeCookies();
    const gate = new Mac1Check(nodeCrypto, bobKey.publicKey);
    jar.stamp(message, 0);
    expect(checker.check(message, HOME, 0)).toBe("mac1");
    expect(gate.admits(message)).toBe(true);
    for (const at of [4, 40, 115, 116, 131]) {
      const changed = message.slice();
      changed[at] = (changed[at] as number) ^ 1;
      expect(checker.check(changed, HOME, 0)).toBe("invalid");
      expect(gate.admits(changed)).toBe(false);
    }
    expect(new Mac1Check(nodeCrypto, keyFromSeed("carol").publicKey).admits(message)).toBe(false);
  });

  it("the gate of the data thread takes cookie replies, and neither data nor garbage", () => {
    const gate = new Mac1Check(nodeCrypto, bobKey.publicKey);
    const reply = new Uint8Array(COOKIE_REPLY_BYTES);
    reply[0] = 3;
    expect(gate.admits(reply)).toBe(true);
    const data = new Uint8Array(48);
    data[0] = 4;
    expect(gate.admits(data)).toBe(false);
    expect(gate.admits(new Uint8Array(0))).toBe(false);
  });

  it("a cookie makes MAC2 for its address and port, for as long as secret and cookie live", () => {
    const { checker, jar, message } = makeCookies();
    jar.stamp(message, 0);
    expect(jar.consume(checker.createReply(message, HOME, 0), 0)).toBe(true);
    jar.stamp(message, 1);
    expect(checker.check(message, HOME, 1)).toBe("mac1-and-mac2");
    expect(checker.check(message, { ...HOME, port: 1001 }, 1)).toBe("mac1");
    expect(checker.check(message, { ...HOME, address: "192.0.2.8" }, 1)).toBe("mac1");
    expect(checker.check(message, HOME, WHITEPAPER_TIMINGS.cookieSecretLifetimeMs)).toBe("mac1");
    const later = message.slice().fill(0, 132);
    jar.stamp(later, WHITEPAPER_TIMINGS.cookieLifetimeMs);
    expect(later.subarray(132).every((byte) => byte === 0)).toBe(true);
  });

  it("a reply counts once, for the last message only, and unchanged", () => {
    const { checker, jar, message } = makeCookies();
    jar.stamp(message, 0);
    const reply = checker.createReply(message, HOME, 0);
    const changed = reply.slice();
    changed[40] = (changed[40] as number) ^ 1;
    expect(jar.consume(changed, 0)).toBe(false);
    expect(jar.consume(reply, 0)).toBe(true);
    expect(jar.consume(reply, 0)).toBe(false);
    message[50] = 1;
    jar.stamp(message, 0);
    expect(jar.consume(reply, 0)).toBe(false);
  });
});

describe("an engine under load", () => {
  it("demands a cookie of the initiator, which then gets through", () => {
    const { network, alice, bob, bobId } = makePair({
      bob: { handshakeLimits: ALWAYS_LOADED, privateKey: bobKey.privateKey },
    });
    alice.send(bobId, text("hello"));
    network.run(100);
    expect(bob.device.drops["cookie-demanded"]).toBe(1);
    expect(network.sent.filter(({ bytes }) => bytes.length === COOKIE_REPLY_BYTES)).toHaveLength(1);
    expect(alice.endpoint(bobId)).toBeUndefined();
    network.runUntil(() => bob.received.length === 1, 6000);
  });

  it("demands a cookie of the responder as well", () => {
    const { network, alice, bob, bobId } = makePair({
      alice: { handshakeLimits: ALWAYS_LOADED, privateKey: keyFromSeed("alice").privateKey },
    });
    alice.send(bobId, text("hello"));
    network.runUntil(() => bob.received.length === 1, 12_000);
    expect(alice.device.drops["cookie-demanded"]).toBe(1);
  });

  it("bounds what one address may cost once it has a cookie", () => {
    const { network, alice, bob, bobId } = makePair({
      bob: {
        handshakeLimits: { ...ALWAYS_LOADED, sourceBurst: 2, sourceHandshakesPerSecond: 0.01 },
        privateKey: bobKey.privateKey,
      },
    });
    alice.send(bobId, text("hello"));
    network.runUntil(() => bob.received.length === 1, 6000);
    for (let i = 0; i < 4; i++) {
      alice.perform(alice.device.setPrivateKey(keyFromSeed("alice").privateKey, network.nowMs));
      network.run(1000);
    }
    expect(bob.device.drops["rate-limited"]).toBeGreaterThanOrEqual(2);
  });

  it("without load asks for none", () => {
    const { network } = makeConnectedPair();
    expect(network.sent.some(({ bytes }) => bytes.length === COOKIE_REPLY_BYTES)).toBe(false);
  });
});

describe("the measure of load", () => {
  it("is reached by more handshakes in a second than we like, and lingers", () => {
    const meter = new LoadMeter({ ...HANDSHAKE_LIMITS, unloadedHandshakesPerSecond: 3, underLoadLingerMs: 1000 });
    expect([0, 1, 2].map((ms) => meter.noteAndJudge(ms))).toEqual([false, false, false]);
    expect(meter.noteAndJudge(500)).toBe(true);
    expect(meter.noteAndJudge(1400)).toBe(true);
    expect(meter.noteAndJudge(1500)).toBe(false);
  });
});

describe("the rate of one source", () => {
  const limits = { ...HANDSHAKE_LIMITS, sourceBurst: 2, sourceHandshakesPerSecond: 1, maxSources: 2 };

  it("is a burst, then so many a second, for each address by itself", () => {
    const limiter = new SourceLimiter(limits);
    expect([1, 2, 3].map(() => limiter.admits("192.0.2.1", 0))).toEqual([true, true, false]);
    expect(limiter.admits("192.0.2.2", 0)).toBe(true);
    expect(limiter.admits("192.0.2.1", 999)).toBe(false);
    expect(limiter.admits("192.0.2.1", 1000)).toBe(true);
    expect(limiter.admits("192.0.2.1", 1000)).toBe(false);
  });

  it("counts IPv6 by /64", () => {
    const limiter = new SourceLimiter(limits);
    const addresses = ["2001:db8::1", "2001:db8:0:0:1::", "2001:db8::2:1", "2001:db8:0:1::1"];
    expect(addresses.map((address) => limiter.admits(address, 0))).toEqual([true, true, false, true]);
  });

  it("holds a bounded number of sources and forgets those that owe nothing", () => {
    const limiter = new SourceLimiter(limits);
    expect(limiter.admits("192.0.2.1", 0)).toBe(true);
    expect(limiter.admits("192.0.2.2", 0)).toBe(true);
    expect(limiter.admits("192.0.2.3", 0)).toBe(false);
    expect(limiter.admits("192.0.2.3", 1000)).toBe(true);
  });
});
