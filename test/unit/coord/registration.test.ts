import { createHmac, diffieHellman, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { ed25519 } from "@noble/curves/ed25519.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { registrationTranscript } from "../../../src/api/registration.ts";
import { makeKeys, type TestKeys } from "../../support/coordinator-client.ts";
import { type CoordinatorFixture, startCoordinator, temporaryHome } from "../../support/coordinator-fixture.ts";

let home: Awaited<ReturnType<typeof temporaryHome>>;
let fixture: CoordinatorFixture;
let counter = 0;
const freshName = () => `peer-${++counter}`;

beforeAll(async () => {
  home = await temporaryHome();
  fixture = await startCoordinator(home.path, {}, { limits: { challengeBurst: 10_000 } });
});
afterAll(async () => {
  await fixture.coordinator.close();
  await home[Symbol.asyncDispose]();
});

async function peerNames(): Promise<string[]> {
  return (await fixture.admin.listPeers()).map(({ name }) => name);
}

describe("registration", () => {
  it("makes a peer of a machine with a token, with addresses of both families in the default leaf", async () => {
    const { client, admin } = fixture;
    const name = freshName();
    const { token } = await admin.createToken({ tags: ["web", "eu"] });
    const keys = makeKeys();
    const answer = await client.register(keys, name, token);
    expect(answer).toMatchObject({ resumed: false, protocolVersion: 1, observedAddress: "127.0.0.1" });
    expect(answer.network).toEqual((await client.info()).network);
    expect(answer.self).toMatchObject({ name, cidr: "members", admin: false, tags: ["web", "eu"] });
    expect(answer.self.wireguardKey).toBe(keys.wireguardKey);
    expect(answer.self.ip4).toMatch(/^10\.86\.64\.\d+$/);
    const host = Number(answer.self.ip4.split(".")[3]).toString(16);
    expect(answer.self.ip6).toBe(answer.network.cidr6.replace("::/48", `:4000::${host}`));
    expect((await admin.listPeers()).find((peer) => peer.name === name)).toMatchObject({
      state: "active",
      online: false,
      lastSeenAt: null,
      publicKey: keys.wireguardKey,
    });
  });

  it("gives a known machine its place again, with neither a token nor a use of one", async () => {
    const { client, admin } = fixture;
    const name = freshName();
    const { token, id } = await admin.createToken({ uses: 2 });
    const keys = makeKeys();
    const first = await client.register(keys, name, token);
    expect(await client.register(keys, name)).toEqual({ ...first, resumed: true });
    expect(await client.register(keys, name, token)).toEqual({ ...first, resumed: true });
    expect((await admin.listTokens()).find((listed) => listed.id === id)?.usesLeft).toBe(1);
  });

  it("takes another WireGuard key from a known machine that proves it", async () => {
    const { client, admin } = fixture;
    const name = freshName();
    const keys = makeKeys();
    const first = await client.register(keys, name, (await admin.createToken()).token);
    const { wireguard, wireguardKey } = makeKeys();
    const rekeyed = await client.register({ ...keys, wireguard, wireguardKey }, name);
    expect(rekeyed.resumed).toBe(true);
    expect(rekeyed.self).toEqual({ ...first.self, wireguardKey });
  });

  it("refuses a known machine another name", async () => {
    const { client, admin } = fixture;
    const keys = makeKeys();
    await client.register(keys, freshName(), (await admin.createToken()).token);
    const answer = await client.tryRegister(keys, freshName(), (await admin.createToken()).token);
    expect([answer.status, answer.json.error.code]).toEqual([409, "name-mismatch"]);
  });

  it("refuses a taken name and spends nothing on it", async () => {
    const { client, admin } = fixture;
    const name = freshName();
    await client.register(makeKeys(), name, (await admin.createToken()).token);
    const { token } = await admin.createToken();
    const answer = await client.tryRegister(makeKeys(), name, token);
    expect([answer.status, answer.json.error.code]).toEqual([409, "name-taken"]);
    await client.register(makeKeys(), freshName(), token);
  });

  it("refuses a WireGuard key that another peer has", async () => {
    const { client, admin } = fixture;
    const taken = makeKeys();
    await client.register(taken, freshName(), (await admin.createToken()).token);
    const { machine, machineKey } = makeKeys();
    const copied = { ...taken, machine, machineKey };
    const answer = await client.tryRegister(copied, freshName(), (await admin.createToken()).token);
    expect([answer.status, answer.json.error.code]).toEqual([409, "key-taken"]);
    const other = makeKeys();
    const name = freshName();
    await client.register(other, name, (await admin.createToken()).token);
    const rekey = await client.tryRegister(
      { ...other, wireguard: taken.wireguard, wireguardKey: taken.wireguardKey },
      name,
    );
    expect([rekey.status, rekey.json.error.code]).toEqual([409, "key-taken"]);
  });

  it("asks an unknown machine for a token", async () => {
    const answer = await fixture.client.tryRegister(makeKeys(), freshName());
    expect([answer.status, answer.json.error.code]).toEqual([401, "token-required"]);
  });

  it("gives distinct addresses to 50 machines that register at once", async () => {
    const { client, admin } = fixture;
    const { token } = await admin.createToken({ uses: null });
    const { network } = await client.info();
    const requests = await Promise.all(
      Array.from({ length: 50 }, () => client.registerRequest(makeKeys(), freshName(), token, network.id)),
    );
    const answers = await Promise.all(requests.map((request) => client.send(request)));
    expect(answers.map(({ status }) => status)).toEqual(new Array(50).fill(200));
    expect(new Set(answers.map(({ json }) => json.self.ip4)).size).toBe(50);
    expect(new Set(answers.map(({ json }) => json.self.ip6)).size).toBe(50);
  });
});

describe("proof of possession", () => {
  it("refuses somebody else's WireGuard key without its private half", async () => {
    const { client, admin } = fixture;
    const { token } = await admin.createToken();
    const victim = makeKeys();
    const before = await peerNames();
    const answer = await client.tryRegister({ ...makeKeys(), wireguardKey: victim.wireguardKey }, freshName(), token);
    expect([answer.status, answer.json.error.code]).toEqual([403, "proof-invalid"]);
    expect(await peerNames()).toEqual(before);
  });

  it("refuses somebody else's machine key without its private half, also to take over a known peer", async () => {
    const { client, admin } = fixture;
    const victim = makeKeys();
    const name = freshName();
    await client.register(victim, name, (await admin.createToken()).token);
    const answer = await client.tryRegister({ ...makeKeys(), machineKey: victim.machineKey }, name);
    expect([answer.status, answer.json.error.code]).toEqual([403, "proof-invalid"]);
  });

  it("is what makes a peer, and no token: an admin's makes nobody another one, and brings nothing of it to light", async () => {
    const { client, admin } = fixture;
    const victim = makeKeys();
    const name = freshName();
    const { self } = await client.register(victim, name, (await admin.createToken({ admin: true })).token);
    const { token, id } = await admin.createToken({ admin: true, uses: null });
    const before = await admin.listPeers();
    // All that others know of a peer are its public keys and its name.
    const known = { machineKey: victim.machineKey, wireguardKey: victim.wireguardKey };
    const cases: [keys: TestKeys, name: string, token: string | undefined, code: string][] = [
      [{ ...makeKeys(), ...known }, name, token, "proof-invalid"],
      [{ ...makeKeys(), ...known }, name, undefined, "proof-invalid"],
      [{ ...makeKeys(), machineKey: known.machineKey }, name, token, "proof-invalid"],
      [{ ...makeKeys(), wireguardKey: known.wireguardKey }, freshName(), token, "proof-invalid"],
      [makeKeys(), name, token, "name-taken"],
    ];
    for (const [keys, asName, withToken, code] of cases) {
      const { text, json } = await client.tryRegister(keys, asName, withToken);
      expect(json.error.code).toBe(code);
      for (const secret of [self.ip4, self.ip6, victim.machineKey, victim.wireguardKey])
        expect(text).not.toContain(secret);
    }
    const control = client.openControl();
    await control.authenticate({ ...makeKeys(), ...known });
    await control.untilClosed();
    expect([control.rejection, control.map]).toEqual(["proof-invalid", undefined]);
    expect(await admin.listPeers()).toEqual(before);
    expect((await admin.listTokens()).find((listed) => listed.id === id)?.usesLeft).toBeNull();
  });

  it("binds both proofs to every field of the request", async () => {
    const { client, admin } = fixture;
    const { token } = await admin.createToken();
    const other = makeKeys();
    const changes: [string, object][] = [
      ["name", { name: "another" }],
      ["machine key", { machineKey: other.machineKey }],
      ["WireGuard key", { wireguardKey: other.wireguardKey }],
      ["token", { token: undefined }],
      ["machine proof", { machineProof: randomBytes(64).toString("base64") }],
      ["WireGuard proof", { wireguardProof: randomBytes(32).toString("base64") }],
      ["challenge", { challengeId: (await client.challenge()).challengeId }],
    ];
    for (const [what, change] of changes) {
      const request = await client.registerRequest(makeKeys(), freshName(), token);
      const answer = await client.send({ ...request, ...change });
      expect([what, answer.json.error.code]).toEqual([what, "proof-invalid"]);
    }
    const foreign = await client.registerRequest(
      makeKeys(),
      freshName(),
      token,
      "5f3a6c1e-4a51-4d2f-9c3e-000000000000",
    );
    expect((await client.send(foreign)).json.error.code).toBe("proof-invalid");
  });

  it("takes a challenge once, whether its first answer was right or wrong", async () => {
    const { client, admin } = fixture;
    const { token } = await admin.createToken({ uses: null });
    const right = await client.registerRequest(makeKeys(), freshName(), token);
    expect((await client.send(right)).status).toBe(200);
    expect((await client.send(right)).json.error.code).toBe("challenge-unknown");
    const wrong = await client.registerRequest(makeKeys(), freshName(), token);
    expect((await client.send({ ...wrong, name: "spoiled" })).json.error.code).toBe("proof-invalid");
    expect((await client.send(wrong)).json.error.code).toBe("challenge-unknown");
  });

  it("refuses WireGuard keys of small order and in other than canonical form", async () => {
    const { client } = fixture;
    const { network } = await client.info();
    const smallOrder = [
      new Uint8Array(32),
      Uint8Array.of(1, ...new Array(31).fill(0)),
      Buffer.from("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800", "hex"),
      Buffer.from("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "hex"),
    ];
    const sound = Buffer.from(makeKeys().wireguardKey, "base64");
    sound[31] = sound[31]! | 0x80;
    const notCanonical = [
      sound,
      Buffer.from("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "hex"),
    ];
    for (const key of [...smallOrder, ...notCanonical]) {
      const wireguardKey = Buffer.from(key).toString("base64");
      const keys = { ...makeKeys(), wireguardKey };
      const request = await client.registerRequest(keys, freshName(), undefined, network.id);
      expect((await client.send(request)).json.error.code).toBe("bad-key");
    }
  });

  it("refuses a machine key of small order, for which anybody can make signatures", async () => {
    const { client } = fixture;
    const { network } = await client.info();
    const { challengeId, nonce, ephemeralKey } = await client.challenge();
    const identity = Buffer.from(ed25519.Point.ZERO.toBytes());
    const keys = { ...makeKeys(), machineKey: identity.toString("base64") };
    const fields = { challengeId, name: freshName(), machineKey: keys.machineKey, wireguardKey: keys.wireguardKey };
    const transcript = registrationTranscript({
      networkId: network.id,
      nonce,
      ephemeralKey,
      token: undefined,
      ...fields,
    });
    // With A = 0 the equation S·B = R + k·A holds for R = 0 and S = 0.
    const machineProof = Buffer.concat([identity, Buffer.alloc(32)]).toString("base64");
    const publicKey = generateKeyPairSync("x25519").publicKey;
    const shared = diffieHellman({ privateKey: keys.wireguard, publicKey });
    const wireguardProof = createHmac("sha256", shared).update(transcript).digest("base64");
    const answer = await client.send({ protocol: { min: 1, max: 1 }, ...fields, machineProof, wireguardProof });
    expect(answer.json.error.code).toBe("bad-key");
  });

  it("says which end is too old for the other", async () => {
    const { client } = fixture;
    const request = await client.registerRequest(makeKeys(), freshName());
    const tooNew = await client.send({ ...request, protocol: { min: 7, max: 9 } });
    expect([tooNew.status, tooNew.json.error.code]).toEqual([426, "protocol-mismatch"]);
    expect(tooNew.json.error.message).toContain("coordinator is older");
    expect(tooNew.json.error.hint).toContain("on the coordinator");
  });
});

describe("leaving", () => {
  it("frees the name, never the address, and makes the machine unknown", async () => {
    const { client, admin } = fixture;
    const name = freshName();
    const keys = makeKeys();
    const { self } = await client.register(keys, name, (await admin.createToken()).token);
    expect((await client.leave(keys)).json).toEqual({});
    expect(await peerNames()).not.toContain(name);
    expect((await client.tryRegister(keys, name)).json.error.code).toBe("token-required");
    expect((await client.leave(keys)).json.error.code).toBe("not-registered");
    const again = await client.register(keys, name, (await admin.createToken()).token);
    expect(again.self.ip4).not.toBe(self.ip4);
    const bound = await admin.call<{ error: { code: string } }>("POST", "/v1/admin/tokens", { ip4: self.ip4 });
    expect(bound.json.error.code).toBe("address-taken");
  });

  it("is refused to whoever does not hold the machine key", async () => {
    const { client, admin } = fixture;
    const name = freshName();
    const victim = makeKeys();
    await client.register(victim, name, (await admin.createToken()).token);
    const answer = await client.leave({ ...makeKeys(), machineKey: victim.machineKey });
    expect([answer.status, answer.json.error.code]).toEqual([403, "proof-invalid"]);
    expect(await peerNames()).toContain(name);
  });

  it("cannot be done with a signature made for the control channel", async () => {
    const { client, admin } = fixture;
    const keys = makeKeys();
    await client.register(keys, freshName(), (await admin.createToken()).token);
    const { challengeId, nonce } = await client.challenge();
    const { controlTranscript } = await import("../../../src/api/registration.ts");
    const { network } = await client.info();
    const machineProof = sign(null, controlTranscript(network.id, nonce, keys.machineKey), keys.machine).toString(
      "base64",
    );
    const answer = await client.call<{ error: { code: string } }>("DELETE", "/v1/peer", {
      challengeId,
      machineKey: keys.machineKey,
      machineProof,
    });
    expect(answer.json.error.code).toBe("proof-invalid");
  });
});
