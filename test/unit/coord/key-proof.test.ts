import { generateKeyPairSync, sign } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { keyTranscript } from "../../../src/api/key-proof.ts";
import { makeKeys, type TestKeys } from "../../support/coordinator-client.ts";
import { type CoordinatorFixture, startCoordinator, temporaryHome } from "../../support/coordinator-fixture.ts";

let home: Awaited<ReturnType<typeof temporaryHome>>;
let fixture: CoordinatorFixture;

beforeAll(async () => {
  home = await temporaryHome();
  fixture = await startCoordinator(home.path, { tls: "off" }, { limits: { challengeBurst: 1000 } });
});
afterAll(async () => {
  await fixture.coordinator.close();
  await home[Symbol.asyncDispose]();
});

const proofOf = (keys: TestKeys, issuedAtMs: number, networkId = fixture.coordinator.network.id) => ({
  issuedAtMs,
  signature: sign(null, keyTranscript(networkId, keys, issuedAtMs), keys.machine).toString("base64"),
});

it("a machine's word for its WireGuard key reaches the others, with the key and with each that follows", async () => {
  const { client, admin } = fixture;
  const [alice, bob] = [makeKeys(), makeKeys()];
  await client.register(alice, "alice", (await admin.createToken()).token);
  const a = await client.connect(alice);
  const { token } = await admin.createToken();
  const first = proofOf(bob, 1000);
  const joined = await client.send({ ...(await client.registerRequest(bob, "bob", token)), keyProof: first });
  expect(joined.status).toBe(200);
  await a.until("bob", () => a.peer("bob") !== undefined);
  expect(a.peer("bob")?.keyProof).toEqual(first);

  const { wireguard, wireguardKey } = makeKeys();
  const rotated = { ...bob, wireguard, wireguardKey };
  const second = proofOf(rotated, 2000);
  const resumed = await client.send({ ...(await client.registerRequest(rotated, "bob")), keyProof: second });
  expect(resumed.json.resumed).toBe(true);
  await a.until("the new key", () => a.peer("bob")?.wireguardKey === wireguardKey);
  expect(a.peer("bob")?.keyProof).toEqual(second);
  expect(a.map?.peers).toHaveLength(1);
});

it("one that does not fit is refused, and nothing is spent; without one there is none in the map", async () => {
  const { client, admin } = fixture;
  const [keys, others] = [makeKeys(), makeKeys()];
  const { token, id } = await admin.createToken({ name: "carol" });
  const stranger = generateKeyPairSync("ed25519").privateKey;
  const wrong = [
    proofOf(others, 1000),
    proofOf({ ...keys, machine: stranger }, 1000),
    { ...proofOf(keys, 1000), issuedAtMs: 1001 },
    proofOf(keys, 1000, "3b241101-e2bb-4255-8caf-4136c566a962"),
  ];
  for (const keyProof of wrong) {
    const answer = await client.send({ ...(await client.registerRequest(keys, "carol", token)), keyProof });
    expect([answer.status, answer.json.error.code]).toEqual([403, "proof-invalid"]);
  }
  expect((await admin.listTokens()).find((listed) => listed.id === id)?.state).toBe("active");
  await client.register(keys, "carol", token);
  const dave = makeKeys();
  await client.register(dave, "dave", (await admin.createToken()).token);
  expect((await client.connect(dave)).peer("carol")?.keyProof).toBeNull();
});
