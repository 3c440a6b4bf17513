import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DisposeStack } from "../../src/base/dispose.ts";
import { selectAeadProvider } from "../../src/wireguard/aead/select.ts";
import { COOKIE_REPLY_BYTES, INITIATION_BYTES, WHITEPAPER_TIMINGS } from "../../src/wireguard/constants.ts";
import { CookieJar } from "../../src/wireguard/cookie.ts";
import { nodeCrypto } from "../../src/wireguard/crypto/node.ts";
import { HANDSHAKE_LIMITS } from "../../src/wireguard/limits.ts";
import { WireguardGo } from "../support/wireguard-go.ts";
import { WireGuardHarness } from "../support/wireguard-harness.ts";
import { echoRequest, isEchoReply, isEchoRequest, replyTo, trimToIpLength } from "../support/wireguard-icmp-echo.ts";
import type { WireGuardNodeOptions } from "../support/wireguard-node.ts";

const OUR_INNER = "10.98.0.1";
const THEIR_INNER = "10.98.0.2";
const THEIR_PORT = 51821;

let disposal: DisposeStack;

beforeEach(() => {
  disposal = new DisposeStack();
});

afterEach(() => disposal.close());

interface Interop {
  readonly go: WireguardGo;
  readonly ours: WireGuardHarness;
  readonly peer: number;
}

async function connect(
  who: { readonly presharedKey?: Uint8Array; readonly weKnowThem: boolean; readonly theyKnowUs: boolean },
  options: WireGuardNodeOptions = {},
): Promise<Interop> {
  const ourKey = randomBytes(32);
  const theirKey = randomBytes(32);
  const go = disposal.use(
    await WireguardGo.start({ privateKey: theirKey, listenPort: THEIR_PORT, address: THEIR_INNER }),
  );
  const ours = disposal.use(await WireGuardHarness.start(go.ourAddress, { privateKey: ourKey, ...options }));
  const psk = who.presharedKey === undefined ? {} : { presharedKey: who.presharedKey };
  go.setPeer({
    publicKey: nodeCrypto.x25519Key(ourKey).publicKey,
    allowedIps: `${OUR_INNER}/32`,
    ...psk,
    ...(who.theyKnowUs ? { endpoint: { address: go.ourAddress, port: ours.port } } : {}),
  });
  const peer = ours.node.addPeer({
    publicKey: nodeCrypto.x25519Key(theirKey).publicKey,
    candidates: who.weKnowThem ? [{ address: go.theirAddress, port: THEIR_PORT }] : [],
    ...psk,
  });
  return { go, ours, peer };
}

async function until(condition: () => boolean, intervalMs = 5): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error("the condition did not come true");
    await delay(intervalMs);
  }
}

/** Sends an echo request through the tunnel and waits for the answer of the kernel at the other end. */
async function pingThem({ ours, peer }: Interop, sequence: number): Promise<Uint8Array> {
  const data = new TextEncoder().encode(`sequence ${sequence}`);
  ours.send(peer, echoRequest(OUR_INNER, THEIR_INNER, sequence, data));
  const isAnswer = ({ payload }: { payload: Uint8Array }) => isEchoReply(payload, sequence);
  await until(() => ours.node.received.some(isAnswer));
  const answer = ours.node.received.find(isAnswer);
  return trimToIpLength(answer?.payload ?? new Uint8Array(20)).subarray(28);
}

/** Answers echo requests as a kernel would. */
function answerPings({ ours, peer }: Interop): void {
  let seen = 0;
  const timer = setInterval(() => {
    for (; seen < ours.node.received.length; seen++) {
      const packet = trimToIpLength(ours.node.received[seen]?.payload ?? new Uint8Array(20));
      if (isEchoRequest(packet)) ours.send(peer, replyTo(packet));
    }
  }, 2);
  disposal.defer(() => clearInterval(timer));
}

describe("the engine and wireguard-go", () => {
  it("we initiate: an echo request comes back", async () => {
    const interop = await connect({ weKnowThem: true, theyKnowUs: false });
    expect(new TextDecoder().decode(await pingThem(interop, 1))).toBe("sequence 1");
  });

  it("they initiate: their echo request is answered", async () => {
    const interop = await connect({ weKnowThem: false, theyKnowUs: true });
    answerPings(interop);
    expect(await interop.go.ping(OUR_INNER)).toBe(true);
    expect(interop.ours.node.actions.some((action) => action.type === "install-keypair" && !action.isInitiator)).toBe(
      true,
    );
  });

  it.each(["openssl", "sodium", "noble"] as const)("with a preshared key, both roles, AEAD by %s", async (name) => {
    const { provider } = selectAeadProvider(name);
    const presharedKey = randomBytes(32);
    const interop = await connect({ presharedKey, weKnowThem: true, theyKnowUs: true }, { provider });
    answerPings(interop);
    expect(new TextDecoder().decode(await pingThem(interop, 1))).toBe("sequence 1");
    expect(await interop.go.ping(OUR_INNER)).toBe(true);
  });

  it("a session is renewed again and again under a running flow, and no echo is lost", async () => {
    const timings = { ...WHITEPAPER_TIMINGS, rekeyAfterMs: 300, rekeyTimeoutMs: 50, rekeyJitterMs: 5 };
    const interop = await connect({ weKnowThem: true, theyKnowUs: true }, { timings });
    const installed = () => interop.ours.node.actions.filter(({ type }) => type === "install-keypair").length;
    let sequence = 0;
    while (installed() < 4) await pingThem(interop, ++sequence);
    for (let i = 0; i < 5; i++) await pingThem(interop, ++sequence);
    expect(interop.ours.node.forged + interop.ours.node.unroutable).toBe(0);
  });

  it("they find us at a new address when we send from there", async () => {
    const interop = await connect({ weKnowThem: true, theyKnowUs: true });
    answerPings(interop);
    await pingThem(interop, 1);
    await interop.ours.rebind();
    await pingThem(interop, 2);
    expect(await interop.go.ping(OUR_INNER)).toBe(true);
  });

  it("we find them at a new port when they send from there", async () => {
    const interop = await connect({ weKnowThem: true, theyKnowUs: true });
    answerPings(interop);
    await pingThem(interop, 1);
    interop.go.setListenPort(THEIR_PORT + 1);
    expect(await interop.go.ping(OUR_INNER)).toBe(true);
    expect(interop.ours.node.endpoint(interop.peer)?.port).toBe(THEIR_PORT + 1);
    await pingThem(interop, 2);
  });

  it("under load we hand them a cookie, and with it they come through", async () => {
    const handshakeLimits = { ...HANDSHAKE_LIMITS, unloadedHandshakesPerSecond: 0 };
    const interop = await connect({ weKnowThem: false, theyKnowUs: true }, { handshakeLimits });
    answerPings(interop);
    expect(await interop.go.ping(OUR_INNER)).toBe(true);
    expect(interop.ours.node.device.drops["cookie-demanded"]).toBeGreaterThanOrEqual(1);
  });

  it("flooded, they hand us a cookie, and with it we come through", async () => {
    // They are under load for a second after the flood: on a busy machine we may come too late for that.
    let cookiesTaken = 0;
    for (let attempt = 0; attempt < 5 && cookiesTaken === 0; attempt++) cookiesTaken = await comeThroughFlood();
    expect(cookiesTaken).toBe(1);
  });

  /** Floods them, and has a handshake with them while they are still busy with it; returns the cookies we needed. */
  async function comeThroughFlood(): Promise<number> {
    const interop = await connect({ weKnowThem: true, theyKnowUs: false });
    const { go, ours, peer } = interop;
    const jar = new CookieJar({ crypto: nodeCrypto, timings: WHITEPAPER_TIMINGS }, go.publicKey);
    const flood = Array.from({ length: 3000 }, () => {
      const message = new Uint8Array(randomBytes(INITIATION_BYTES));
      message.set([1, 0, 0, 0]);
      jar.stamp(message, 0);
      return message;
    });
    const theirs = { address: go.theirAddress, port: THEIR_PORT };
    await until(() => {
      for (const message of flood) ours.sendRaw(message, theirs);
      return ours.datagramSizes.includes(COOKIE_REPLY_BYTES);
    }, 50);
    // Once the flood is through, nothing of ours is lost in it.
    let answers = 0;
    const isQuiet = () => {
      const before = answers;
      answers = ours.datagramSizes.length;
      return before === answers;
    };
    await until(isQuiet, 50);
    ours.send(peer, echoRequest(OUR_INNER, THEIR_INNER, 1, new Uint8Array(8)));
    await until(() => ours.node.received.some(({ payload }) => isEchoReply(payload, 1)));
    return ours.node.cookiesTaken;
  }
});
