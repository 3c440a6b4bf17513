import { createPublicKey, generateKeyPairSync, sign, X509Certificate } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AdminRelay } from "../../../src/api/admin.ts";
import type { CoordinatorMessage } from "../../../src/api/control-channel.ts";
import { PROTOCOL_VERSIONS } from "../../../src/api/protocol-version.ts";
import { type RegisterRelayResponse, relayRegistrationTranscript } from "../../../src/api/relay-registration.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import type { RelayPolicy } from "../../../src/relay/policy.ts";
import { PolicyView } from "../../../src/relay/policy-view.ts";
import { Relay } from "../../../src/relay/relay.ts";
import { type Answer, makeKeys, type TestControl, type TestKeys } from "../../support/coordinator-client.ts";
import { type CoordinatorFixture, startCoordinator, temporaryHome } from "../../support/coordinator-fixture.ts";

let home: Awaited<ReturnType<typeof temporaryHome>>;
let fixture: CoordinatorFixture;
/** That of the coordinator's own relay. */
let ownPolicy: RelayPolicy;

beforeEach(async () => {
  home = await temporaryHome();
  fixture = await startCoordinator(home.path, {}, { upgrades: { "/v1/relay": openRelay } });
});
afterEach(async () => {
  await fixture.coordinator.close();
  await home[Symbol.asyncDispose]();
});

const openRelay = ({ networkId, policy }: { networkId: string; policy: RelayPolicy }) => {
  ownPolicy = policy;
  return new Relay({ networkId, relayId: "coordinator" }, { policy, clock: systemClock, logger: silentLogger });
};

const tlsKeys = generateKeyPairSync("ec", { namedCurve: "P-256" });
const TLS_KEY = tlsKeys.publicKey.export({ format: "der", type: "spki" }).toString("base64");
const URLS = ["https://192.0.2.7:443"];

type RelayAnswer = Answer<RegisterRelayResponse & { readonly error: { readonly code: string } }>;

async function tryRegister(
  keys: TestKeys,
  { name = "berlin", token, signer = keys }: { name?: string; token?: string; signer?: TestKeys } = {},
): Promise<RelayAnswer> {
  const { client } = fixture;
  const { challengeId, nonce } = await client.challenge();
  const networkId = (await client.info()).network.id;
  const { machineKey } = keys;
  const transcript = relayRegistrationTranscript({
    networkId,
    challengeId,
    nonce,
    name,
    machineKey,
    token,
    tlsKey: TLS_KEY,
  });
  const machineProof = sign(null, transcript, signer.machine).toString("base64");
  const request = { protocol: PROTOCOL_VERSIONS, challengeId, token, name, machineKey, tlsKey: TLS_KEY, machineProof };
  return client.call("POST", "/v1/relay", request);
}

async function newRelay(name = "berlin"): Promise<{ readonly keys: TestKeys; readonly id: string }> {
  const keys = makeKeys();
  const { token } = await fixture.admin.createToken({ relay: true });
  const { status, json } = await tryRegister(keys, { name, token });
  expect(status).toBe(200);
  return { keys, id: json.relayId };
}

/** Opens the relay's channel and waits for its first policy. */
async function connectRelay(keys: TestKeys, policyVersion: number | null = null): Promise<TestControl> {
  const control = fixture.client.openControl();
  await control.authenticate(keys, policyVersion);
  await control.until("the policy", () => messagesOf(control, "policy", "policy-delta").length > 0);
  return control;
}

function messagesOf<Type extends CoordinatorMessage["type"]>(control: TestControl, ...types: Type[]) {
  return control.messages.filter((message): message is Extract<CoordinatorMessage, { type: Type }> =>
    (types as string[]).includes(message.type),
  );
}

const announcement = { type: "relay", urls: URLS, stunPorts: [3478, 3479], tlsKey: TLS_KEY };

async function announced(keys: TestKeys): Promise<TestControl> {
  const control = await connectRelay(keys);
  control.send(announcement);
  await control.until("the certificate", () => messagesOf(control, "certificate").length > 0);
  return control;
}

async function joined(
  name: string,
  request: { cidr?: string } = {},
): Promise<{ readonly keys: TestKeys; readonly control: TestControl }> {
  const keys = makeKeys();
  const { token } = await fixture.admin.createToken(request);
  await fixture.client.register(keys, name, token);
  return { keys, control: await fixture.client.connect(keys) };
}

describe("becoming a relay", () => {
  it("takes a token with that right, or an admin's, and gives no peer's place for it", async () => {
    const { admin, client } = fixture;
    const [ordinary, forRelay, ofAdmin] = await Promise.all([
      admin.createToken(),
      admin.createToken({ relay: true }),
      admin.createToken({ admin: true }),
    ]);
    const keys = makeKeys();
    expect((await tryRegister(keys)).json.error.code).toBe("token-required");
    expect((await tryRegister(keys, { token: ordinary.token })).json.error.code).toBe("token-wrong-kind");
    expect((await client.tryRegister(makeKeys(), "alice", forRelay.token)).json.error.code).toBe("token-wrong-kind");
    expect((await tryRegister(keys, { token: forRelay.token })).status).toBe(200);
    expect((await tryRegister(makeKeys(), { name: "paris", token: ofAdmin.token })).status).toBe(200);
    const left = new Map((await admin.listTokens()).map(({ id, usesLeft }) => [id, usesLeft]));
    expect([ordinary, forRelay, ofAdmin].map(({ id }) => left.get(id))).toEqual([1, 0, 0]);
  });

  it("takes the proof of the machine key; a known one comes back without a token", async () => {
    const keys = makeKeys();
    const { token } = await fixture.admin.createToken({ relay: true });
    expect((await tryRegister(keys, { token, signer: makeKeys() })).json.error.code).toBe("proof-invalid");
    const first = await tryRegister(keys, { token });
    const again = await tryRegister(keys);
    expect(again.json).toMatchObject({ relayId: first.json.relayId, resumed: true });
    expect((await tryRegister(keys, { name: "paris" })).json.error.code).toBe("name-mismatch");
  });

  it("keeps names and keys apart, those of peers among them", async () => {
    const { keys } = await newRelay();
    const other = await fixture.admin.createToken({ relay: true, uses: 2 });
    expect((await tryRegister(makeKeys(), { token: other.token })).json.error.code).toBe("name-taken");
    const peer = await joined("alice");
    expect((await tryRegister(peer.keys, { name: "paris", token: other.token })).json.error.code).toBe("key-taken");
    const { token } = await fixture.admin.createToken();
    expect((await fixture.client.tryRegister(keys, "bob", token)).json.error.code).toBe("key-taken");
  });

  it("certifies the relay's own key for that relay's name alone", async () => {
    const { keys, id } = await newRelay();
    const control = await announced(keys);
    const [message] = messagesOf(control, "certificate");
    const certificate = new X509Certificate(message!.certificatePem);
    const ca = new X509Certificate((await fixture.client.call("GET", "/v1/ca")).text);
    expect(certificate.verify(ca.publicKey)).toBe(true);
    expect(
      certificate.publicKey.equals(createPublicKey(tlsKeys.publicKey.export({ format: "pem", type: "spki" }))),
    ).toBe(true);
    expect(certificate.subjectAltName).toBe(`DNS:mesh-relay-${id}`);
    expect(certificate.ca).toBe(false);
    await control.close();
  });

  it("refuses a TLS key that it cannot certify, and what peers alone say", async () => {
    const { keys } = await newRelay();
    for (const message of [
      { ...announcement, tlsKey: Buffer.from("no key").toString("base64") },
      { type: "endpoints", listenPort: 51820, endpoints: [] },
    ]) {
      const control = await connectRelay(keys);
      control.send(message);
      await control.untilClosed();
      expect(["bad-key", "bad-request"]).toContain(control.rejection);
    }
    const { control } = await joined("alice");
    control.send(announcement);
    await control.untilClosed();
    expect(control.rejection).toBe("bad-request");
  });
});

describe("what peers are told of relays", () => {
  it("is where they are, and at which ones each peer is to be found: the stand-alone one first", async () => {
    const alice = await joined("alice");
    const bob = await joined("bob");
    expect(alice.control.map).toMatchObject({ relays: [], self: { relays: ["coordinator"] } });
    const { keys, id } = await newRelay();
    await using _ = { [Symbol.asyncDispose]: () => relay.close() };
    const relay = await announced(keys);
    const caPem = (await fixture.client.call("GET", "/v1/ca")).text;
    for (const { control } of [alice, bob]) {
      await control.until("the relay", () => control.map?.self.relays.length === 2);
      const { relays, self, peers } = control.map!;
      expect(relays).toEqual([{ id, name: "berlin", urls: URLS, caPem, stunPorts: [3478, 3479] }]);
      expect(self.relays).toEqual([id, "coordinator"]);
      expect(peers.map((peer) => peer.relays)).toEqual([[id, "coordinator"]]);
      expect(control.brokenDelta).toBe(false);
    }
  });

  it("follows what a peer says that it cannot reach", async () => {
    const { keys, id } = await newRelay();
    const relay = await announced(keys);
    const { control } = await joined("alice");
    await control.until("the relay", () => control.map?.self.relays[0] === id);
    const endpoints = { type: "endpoints", listenPort: 51820, endpoints: [] };
    control.send({ ...endpoints, unreachedRelays: [id] });
    await control.until("another home", () => control.map?.self.relays[0] === "coordinator");
    expect(control.map?.self.relays).toEqual(["coordinator", id]);
    control.send(endpoints);
    await control.until("the first one again", () => control.map?.self.relays[0] === id);
    await relay.close();
  });

  it("is the same after a restart of the coordinator, before the relay is back", async () => {
    const { keys, id } = await newRelay();
    await (await announced(keys)).close();
    await fixture.coordinator.close();
    fixture = await startCoordinator(home.path);
    const { control } = await joined("alice");
    expect(control.map).toMatchObject({ relays: [{ id, urls: URLS }], self: { relays: [id] } });
  });

  it("ends at once when an admin removes the relay, whose channel ends as well", async () => {
    const alice = await joined("alice");
    const { keys } = await newRelay();
    const relay = await announced(keys);
    await alice.control.until("the relay", () => alice.control.map?.relays.length === 1);
    const { admin } = fixture;
    expect((await admin.call<AdminRelay[]>("GET", "/v1/admin/relays")).json).toMatchObject([
      { name: "berlin", online: true, urls: URLS, certificate: "mesh" },
    ]);
    expect((await admin.call("DELETE", "/v1/admin/relays/berlin")).status).toBe(200);
    await relay.untilClosed();
    expect(relay.rejection).toBe("not-registered");
    await alice.control.until("the removal", () => alice.control.map?.relays.length === 0);
    expect(alice.control.map?.self.relays).toEqual(["coordinator"]);
    expect((await admin.call("DELETE", "/v1/admin/relays/berlin")).status).toBe(404);
    expect((await tryRegister(keys)).json.error.code).toBe("token-required");
  });
});

describe("what relays are told of peers", () => {
  it("is who they are, at once and by deltas: who leaves, and who comes", async () => {
    const alice = await joined("alice");
    const { keys } = await newRelay();
    const relay = await connectRelay(keys);
    const [first] = messagesOf(relay, "policy");
    expect(first?.policy.peers).toMatchObject([{ name: "alice", machineKey: alice.keys.machineKey }]);
    const { group } = first!.policy.peers[0]!;
    expect(first?.policy.groups.find(({ id }) => id === group)?.sees).toContain(group);

    const bob = await joined("bob");
    await relay.until("bob", () => messagesOf(relay, "policy-delta").length === 1);
    expect(messagesOf(relay, "policy-delta")[0]?.delta).toMatchObject({
      fromVersion: first?.policy.version,
      removed: [],
      upserted: [{ name: "bob", wireguardKey: bob.keys.wireguardKey }],
    });
    await fixture.client.leave(alice.keys);
    await relay.until("the leave", () => messagesOf(relay, "policy-delta").length === 2);
    const { delta } = messagesOf(relay, "policy-delta")[1]!;
    expect(delta).toMatchObject({ removed: [alice.keys.machineKey], upserted: [] });

    await relay.close();
    const back = await connectRelay(keys, delta.toVersion);
    expect(messagesOf(back, "policy")).toEqual([]);
    expect(messagesOf(back, "policy-delta")[0]?.delta).toMatchObject({ removed: [], upserted: [] });
    await back.close();
  });

  it("is who may exchange with whom, anew with every change of CIDRs and associations, none of them their names", async () => {
    const { admin } = fixture;
    await admin.call("POST", "/v1/admin/cidrs", { name: "servers", cidr4: "10.86.128.0/20" });
    const [alice, bob] = [await joined("alice"), await joined("bob", { cidr: "servers" })];
    const relay = await connectRelay((await newRelay()).keys);
    const allows = (policy: RelayPolicy) => policy.mayExchange(alice.keys.wireguardKey, bob.keys.wireguardKey);
    const standAlone = () => {
      const view = new PolicyView();
      view.set(messagesOf(relay, "policy").at(-1)!.policy);
      return allows(view);
    };
    const ownSaid: boolean[] = [];
    ownPolicy.onPolicyChange(() => ownSaid.push(allows(ownPolicy)));
    expect([standAlone(), allows(ownPolicy)]).toEqual([false, false]);
    for (const [method, path, body, isOpen] of [
      ["POST", "/associations", { from: "members", to: "servers", oneWay: true }, true],
      ["POST", "/cidrs/servers/disable", undefined, false],
      ["POST", "/cidrs/servers/enable", undefined, true],
      ["DELETE", "/associations/members/servers", undefined, false],
    ] as const) {
      expect((await admin.call(method, `/v1/admin${path}`, body)).status).toBe(200);
      await relay.until(`${method} ${path}`, () => standAlone() === isOpen);
    }
    expect(ownSaid).toEqual([true, false, true, false]);
    expect(JSON.stringify(relay.messages)).not.toContain('"servers"');
    expect(messagesOf(relay, "policy-delta")).toEqual([]);
    await relay.close();
  });
});
