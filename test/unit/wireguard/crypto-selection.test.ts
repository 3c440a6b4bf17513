import { expect, it } from "vitest";
import { nobleCrypto } from "../../../src/wireguard/crypto/noble.ts";
import { nodeCrypto } from "../../../src/wireguard/crypto/node.ts";
import { selectHandshakeCrypto, testHandshakeCrypto } from "../../../src/wireguard/crypto/select.ts";

it("the reference, and Node's own primitives, pass the self-test", () => {
  testHandshakeCrypto(nobleCrypto);
  testHandshakeCrypto(nodeCrypto);
  expect(selectHandshakeCrypto()).toEqual({ crypto: nodeCrypto, passedOver: undefined });
});

it.each([
  ["BLAKE2s", { hash: () => new Uint8Array(32) }],
  ["HMAC-BLAKE2s", { hmac: () => new Uint8Array(32) }],
  ["ChaCha20-Poly1305", { seal: () => new Uint8Array(164) }],
  ["ChaCha20-Poly1305", { open: () => undefined }],
  ["X25519", { x25519Key: () => nobleCrypto.x25519Key(new Uint8Array(32).fill(9)) }],
])("finds a %s that answers otherwise", (name, wrong) => {
  expect(() => testHandshakeCrypto({ ...nobleCrypto, ...wrong })).toThrow(`${name} differs from the reference`);
});

it("finds a primitive that takes what is forged, or a point of low order", () => {
  const takesAll = { ...nobleCrypto, open: () => Uint8Array.from({ length: 148 }, (_, i) => 255 - i) };
  expect(() => testHandshakeCrypto(takesAll)).toThrow("takes a forged message");
  const x25519Key: typeof nobleCrypto.x25519Key = (privateKey) => {
    const key = nobleCrypto.x25519Key(privateKey);
    return { ...key, publicKey: key.publicKey, sharedSecret: (other) => key.sharedSecret(other) ?? new Uint8Array(32) };
  };
  expect(() => testHandshakeCrypto({ ...nobleCrypto, x25519Key })).toThrow("low order");
});
