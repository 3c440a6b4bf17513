import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nobleProvider } from "../../../src/wireguard/aead/noble.ts";
import { IDENTIFIER, WHITEPAPER_TIMINGS } from "../../../src/wireguard/constants.ts";
import { CookieJar } from "../../../src/wireguard/cookie.ts";
import type { HandshakeCrypto } from "../../../src/wireguard/crypto/handshake-crypto.ts";
import { nobleCrypto } from "../../../src/wireguard/crypto/noble.ts";
import { nodeCrypto } from "../../../src/wireguard/crypto/node.ts";
import { decodeInitiation, decodeResponse, encodeInitiation, encodeResponse } from "../../../src/wireguard/messages.ts";
import { type NoiseRemote, ReceivedInitiation, SentInitiation } from "../../../src/wireguard/noise.ts";
import { encodeTai64n } from "../../../src/wireguard/tai64n.ts";
import { referenceHandshake } from "../../support/wireguard-reference.ts";

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (data: Uint8Array | undefined): string => Buffer.from(data ?? []).toString("hex");
const utf8 = (words: string): Uint8Array => new TextEncoder().encode(words);
const CRYPTOS: HandshakeCrypto[] = [nodeCrypto, nobleCrypto];

function identityOf(crypto: HandshakeCrypto, privateKey: Uint8Array, prologue = utf8(IDENTIFIER)) {
  return { crypto, staticKey: crypto.x25519Key(privateKey), prologue };
}

function remoteOf(own: ReturnType<typeof identityOf>, publicKey: Uint8Array, presharedKey: Uint8Array): NoiseRemote {
  return { staticPublicKey: publicKey, staticStatic: own.staticKey.sharedSecret(publicKey), presharedKey };
}

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("unexpectedly undefined");
  return value;
}

// From the vectors of the Haskell library cacophony, as carried by github.com/mcginty/snow, tests/vectors/cacophony.txt:
// protocol Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s.
const CACOPHONY = {
  prologue: bytes("4a6f686e2047616c74"),
  presharedKey: bytes("54686973206973206d7920417573747269616e20706572737065637469766521"),
  initiatorStatic: bytes("e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1"),
  initiatorEphemeral: bytes("893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a"),
  responderStaticPublic: bytes("31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62"),
  responderStatic: bytes("4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893"),
  responderEphemeral: bytes("bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b"),
  messages: [
    [
      "4c756477696720766f6e204d69736573",
      "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944001e21de9f98ddd8e2ad57527207feb56253c9c94a9e496782ecfcb2a75fbcaf1b52948cc48daefe660c62119ab5000980c84831215f2441eba616548e832985464cf17e51ee93109008399a21f7e13f",
    ],
    [
      "4d757272617920526f746862617264",
      "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843cb765f2caef0751b8f007572dab0322217755c0632f365717edbf34d33e87a",
    ],
    ["462e20412e20486179656b", "8153ca9833bc3c1b91a7e66e5f4d4f5b59bf9e64c2f20d15f0bba7"],
    ["4361726c204d656e676572", "07af0c9c86e1b4e80f36b04ff7688d51141af3debd0332f0a705ef"],
    ["4a65616e2d426170746973746520536179", "6ab1467c0448cc78394494abaaf23afce0e234315d6e2624dcbfa8a21c1c4d073d"],
    [
      "457567656e2042f6686d20766f6e2042617765726b",
      "dfc346c0d2296ae6cf1acf6f12b8456a1dba228cf8d8b774aacf1c47fc53aa80ebc7a4c292",
    ],
  ] as const,
};

// Recorded from wireguard-go 0.0.20220316 as the responder, with fixed keys and a fixed timestamp on our side: our
// initiation, its response, and its kernel's answer to an ICMP echo request that we sent through the session.
const RECORDED = {
  initiatorStatic: bytes("d3b312d075aa2af7614f71875aceb218b92a98484347a708c232cf0c97d5500b"),
  responderStatic: bytes("f866c015c699efaa1217821ae6ca8ad5890dd4a3fe54f65dd4510a6c0958b233"),
  initiatorEphemeral: bytes("2de3113c218da16456131cd988e18e4a1ed81a69dad9ed342df41b7b3dcdfe8c"),
  presharedKey: bytes("05ba8fea710f5ec01cea4a1434b589b67cd3f638233e45bf43f20b8bd2747126"),
  timestamp: encodeTai64n(Date.UTC(2026, 0, 1)),
  initiation:
    "01000000040302018fd6c514459d3f185f4a60ea7625da557584d869bd8770ac123336b6cbea3c41c9264567dfc2ea5b8e2b8b16e3bbc6d192d1269acee69f6c729e881ca2f08719f1683dc5f9e3dc9fc2bdb9520b15977709499a668b3f12b9bafacb6ff86dde174e7189589a184b91f578c492eb554c6891a67658be8da2aa55bfaa3500000000000000000000000000000000",
  response:
    "020000001982c86d040302015752154393d353555fb6380fd42570326f90d618e79361ee88b9ab4931b85525a3701bc3ee754e8bbb54376de07ce624b7d6f06043858f71198d34bc4539d82100000000000000000000000000000000",
  initiatorSends: "b5632452fe2b89e6cabd8855c9b8c4883a5b647c9c8a421fb5999510cd365f21",
  echoReply:
    "040000000403020100000000000000002f2e9965116987e888105e8f45d3b5a638ba8ce1996518c92a11f5f98e8c72bcadcc39d7e6451f3af483d16777635002fc0ee3d448d3eb28409157d2dc7f9d32",
};

// An initiation of wireguard-go 0.0.20220316 to the holder of `RECORDED.initiatorStatic`, without a preshared key.
const THEIR_INITIATION =
  "01000000394fa8de54e8ad860444edc1b3620cf590bbe422aaeca1242acdbea86654c45431c23060e173b7583926516c9a50a5d3543cdbe965f28ef55b87c508bd995756bd2558087a327aca8cb551a8311c4f9f94753e5a45a3f259c3bc149c61934c197bda4431253d1d7eb8e6e4a4cd5b1b9dbd7692e8a3d671fcb37547b98a31b34400000000000000000000000000000000";

describe.each(CRYPTOS)("the handshake by $name", (crypto) => {
  it("answers the published vector of Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s, both roles", () => {
    const v = CACOPHONY;
    const [m0, m1, ...transport] = v.messages;
    const initiator = identityOf(crypto, v.initiatorStatic, v.prologue);
    const responder = identityOf(crypto, v.responderStatic, v.prologue);
    expect(hex(responder.staticKey.publicKey)).toBe(hex(v.responderStaticPublic));

    const remote = remoteOf(initiator, v.responderStaticPublic, v.presharedKey);
    const sent = must(SentInitiation.write(initiator, remote, crypto.x25519Key(v.initiatorEphemeral), bytes(m0[0])));
    const { ephemeral, encryptedStatic, encryptedPayload } = sent.fields;
    expect(hex(ephemeral) + hex(encryptedStatic) + hex(encryptedPayload)).toBe(m0[1]);

    const received = must(ReceivedInitiation.read(responder, sent.fields));
    expect(hex(received.remoteStaticPublicKey)).toBe(hex(initiator.staticKey.publicKey));
    const staticStatic = responder.staticKey.sharedSecret(received.remoteStaticPublicKey);
    expect(hex(received.readPayload(staticStatic))).toBe(m0[0]);
    const written = must(received.writeResponse(crypto.x25519Key(v.responderEphemeral), v.presharedKey, bytes(m1[0])));
    expect(hex(written.fields.ephemeral) + hex(written.fields.encryptedPayload)).toBe(m1[1]);

    const read = must(sent.initiation.readResponse(written.fields));
    expect(hex(read.payload)).toBe(m1[0]);
    expect(hex(read.keys.send)).toBe(hex(written.keys.receive));
    expect(hex(read.keys.receive)).toBe(hex(written.keys.send));
    transport.forEach(([plain, cipher], i) => {
      const nonce = new Uint8Array(12);
      nonce[4] = Math.floor(i / 2);
      const key = i % 2 === 0 ? read.keys.send : written.keys.send;
      expect(hex(chacha20poly1305(key, nonce).encrypt(bytes(plain)))).toBe(cipher);
    });
  });

  it("says to wireguard-go what was recorded, and understands its answers", () => {
    const v = RECORDED;
    const initiator = identityOf(crypto, v.initiatorStatic);
    const responderPublic = crypto.x25519Key(v.responderStatic).publicKey;
    const remote = remoteOf(initiator, responderPublic, v.presharedKey);
    const sent = must(SentInitiation.write(initiator, remote, crypto.x25519Key(v.initiatorEphemeral), v.timestamp));
    const initiation = encodeInitiation({ senderIndex: 0x01020304, ...sent.fields });
    new CookieJar({ crypto, timings: WHITEPAPER_TIMINGS }, responderPublic).stamp(initiation, 0);
    expect(hex(initiation)).toBe(v.initiation);

    const { keys } = must(sent.initiation.readResponse(decodeResponse(bytes(v.response))));
    expect(hex(keys.send)).toBe(v.initiatorSends);
    const message = bytes(v.echoReply);
    const verdicts = new Uint8Array(1);
    nobleProvider.createOpener(keys.receive).open(message, 0, message.length, message.length, verdicts);
    expect(verdicts[0]).toBe(1);
    expect(new TextDecoder().decode(message.subarray(16 + 28, 16 + 40))).toBe("known answer");
  });

  it("reads an initiation of wireguard-go", () => {
    const responder = identityOf(crypto, RECORDED.initiatorStatic);
    const received = must(ReceivedInitiation.read(responder, decodeInitiation(bytes(THEIR_INITIATION))));
    const theirPublic = crypto.x25519Key(RECORDED.responderStatic).publicKey;
    expect(hex(received.remoteStaticPublicKey)).toBe(hex(theirPublic));
    const timestamp = received.readPayload(responder.staticKey.sharedSecret(theirPublic));
    // The recording machine's clock, rounded down by wireguard-go.
    expect(hex(timestamp)).toMatch(/^400000006b[0-9a-f]{14}$/);
  });

  it("equals the whitepaper written out, for any keys", () => {
    const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
    const index = fc.integer({ min: 0, max: 0xffffffff });
    fc.assert(
      fc.property(fc.tuple(key, key, key, key, key), fc.tuple(index, index), (keys, indices) => {
        const [initiatorStatic, responderStatic, initiatorEphemeral, responderEphemeral, presharedKey] = keys;
        const [initiatorIndex, responderIndex] = indices;
        const timestamp = encodeTai64n(Date.UTC(2026, 0, 1));
        const expected = referenceHandshake({
          initiatorStatic,
          responderStatic,
          initiatorEphemeral,
          responderEphemeral,
          presharedKey,
          timestamp,
          initiatorIndex,
          responderIndex,
        });

        const initiator = identityOf(crypto, initiatorStatic);
        const responder = identityOf(crypto, responderStatic);
        const remote = remoteOf(initiator, responder.staticKey.publicKey, presharedKey);
        const sent = must(SentInitiation.write(initiator, remote, crypto.x25519Key(initiatorEphemeral), timestamp));
        const initiation = encodeInitiation({ senderIndex: initiatorIndex, ...sent.fields });
        new CookieJar({ crypto, timings: WHITEPAPER_TIMINGS }, responder.staticKey.publicKey).stamp(initiation, 0);
        expect(hex(initiation)).toBe(hex(expected.initiation));

        const received = must(ReceivedInitiation.read(responder, decodeInitiation(initiation)));
        expect(hex(received.readPayload(remote.staticStatic))).toBe(hex(timestamp));
        const ephemeral = crypto.x25519Key(responderEphemeral);
        const written = must(received.writeResponse(ephemeral, presharedKey, new Uint8Array(0)));
        const response = encodeResponse({
          senderIndex: responderIndex,
          receiverIndex: initiatorIndex,
          ...written.fields,
        });
        new CookieJar({ crypto, timings: WHITEPAPER_TIMINGS }, initiator.staticKey.publicKey).stamp(response, 0);
        expect(hex(response)).toBe(hex(expected.response));

        const read = must(sent.initiation.readResponse(decodeResponse(response)));
        expect(hex(read.keys.send)).toBe(hex(expected.initiatorSends));
        expect(hex(read.keys.receive)).toBe(hex(expected.responderSends));
      }),
      { numRuns: crypto.name === "noble" ? 5 : 30 },
    );
  });

  it("a forged response changes nothing: the true one is still taken", () => {
    const v = RECORDED;
    const initiator = identityOf(crypto, v.initiatorStatic);
    const remote = remoteOf(initiator, crypto.x25519Key(v.responderStatic).publicKey, v.presharedKey);
    const sent = must(SentInitiation.write(initiator, remote, crypto.x25519Key(v.initiatorEphemeral), v.timestamp));
    for (const at of [12, 44, 59]) {
      const forged = bytes(v.response);
      forged[at] = (forged[at] as number) ^ 1;
      expect(sent.initiation.readResponse(decodeResponse(forged))).toBeUndefined();
    }
    const { keys } = must(sent.initiation.readResponse(decodeResponse(bytes(v.response))));
    expect(hex(keys.send)).toBe(v.initiatorSends);
  });

  // The points whose order divides 8, and their non-canonical encodings (RFC 7748 §6.1; cr.yp.to/ecdh.html#validate).
  it.each([
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  ])("produces nothing for the low-order point %s", (point) => {
    const initiator = identityOf(crypto, RECORDED.initiatorStatic);
    const remote = remoteOf(initiator, bytes(point), RECORDED.presharedKey);
    expect(remote.staticStatic).toBeUndefined();
    const ephemeral = crypto.x25519Key(RECORDED.initiatorEphemeral);
    expect(SentInitiation.write(initiator, remote, ephemeral, RECORDED.timestamp)).toBeUndefined();
    const fields = { ...decodeInitiation(bytes(RECORDED.initiation)), ephemeral: bytes(point) };
    expect(ReceivedInitiation.read(initiator, fields)).toBeUndefined();
  });
});
