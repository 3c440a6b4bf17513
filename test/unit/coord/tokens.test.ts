import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeJoinToken, encodeJoinToken } from "../../../src/api/join-token.ts";
import type { Clock } from "../../../src/base/clock.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { makeKeys } from "../../support/coordinator-client.ts";
import { type CoordinatorFixture, startCoordinator, temporaryHome } from "../../support/coordinator-fixture.ts";

interface ErrorJson {
  readonly error: { readonly code: string; readonly message: string };
}

let home: Awaited<ReturnType<typeof temporaryHome>>;
let fixture: CoordinatorFixture;
let aheadMs = 0;
const clock: Clock = { monotonicMs: systemClock.monotonicMs, wallMs: () => Date.now() + aheadMs };
let counter = 0;
const freshName = () => `peer-${++counter}`;

beforeAll(async () => {
  home = await temporaryHome();
  fixture = await startCoordinator(home.path, {}, { clock, limits: { challengeBurst: 10_000 } });
});
afterAll(async () => {
  await fixture.coordinator.close();
  await home[Symbol.asyncDispose]();
});

async function refusal(token: string | undefined, name = freshName()): Promise<[number, string]> {
  const answer = await fixture.client.tryRegister(makeKeys(), name, token);
  return [answer.status, answer.json.error.code];
}

describe("join tokens", () => {
  it("carry where the coordinator is and the fingerprint of its CA", async () => {
    const { coordinator, admin } = fixture;
    const created = await admin.createToken({ name: "carol" });
    expect(decodeJoinToken(created.token)).toMatchObject({
      id: created.id,
      urls: coordinator.urls,
      caFingerprint: coordinator.caFingerprint,
      network: "mesh",
    });
    expect(created.joinCommand).toBe(`mesh join ${created.token} --name carol`);
    expect(await admin.revokeToken(created.id)).toMatchObject({ state: "revoked" });
  });

  it("are kept as a hash only", async () => {
    const { admin } = fixture;
    const { token } = await admin.createToken();
    const { secret } = decodeJoinToken(token);
    const directory = join(home.path, "coordinator");
    for (const file of ["coordinator.db", "coordinator.db-wal"]) {
      const bytes = await readFile(join(directory, file));
      expect(bytes.includes(secret)).toBe(false);
      expect(bytes.includes(Buffer.from(secret, "base64url"))).toBe(false);
    }
    expect(JSON.stringify(await admin.listTokens())).not.toContain(secret);
  });

  it("serve once, also when many redeem one at the same instant", async () => {
    const { client, admin } = fixture;
    const { token, id } = await admin.createToken();
    const requests = await Promise.all(
      Array.from({ length: 12 }, () => client.registerRequest(makeKeys(), freshName(), token)),
    );
    const answers = await Promise.all(requests.map((request) => client.send(request)));
    const codes = answers.map(({ status, json }) => (status === 200 ? "ok" : json.error.code)).sort();
    expect(codes).toEqual(["ok", ...new Array(11).fill("token-used")]);
    expect((await admin.listTokens()).find((token) => token.id === id)).toMatchObject({ state: "used", usesLeft: 0 });
  });

  it("serve as often as they say", async () => {
    const { client, admin } = fixture;
    const { token } = await admin.createToken({ uses: 2 });
    await client.register(makeKeys(), freshName(), token);
    await client.register(makeKeys(), freshName(), token);
    expect(await refusal(token)).toEqual([403, "token-used"]);
    const unlimited = await admin.createToken({ uses: null });
    for (let i = 0; i < 5; i++) await client.register(makeKeys(), freshName(), unlimited.token);
    expect((await admin.listTokens()).find(({ id }) => id === unlimited.id)).toMatchObject({
      uses: null,
      usesLeft: null,
    });
  });

  it("expire", async () => {
    const { admin, client } = fixture;
    const { token, id } = await admin.createToken({ expiresInSeconds: 60 });
    aheadMs = 59_000;
    await client.challenge();
    expect((await admin.listTokens()).find((listed) => listed.id === id)?.state).toBe("active");
    aheadMs = 60_500;
    expect(await refusal(token)).toEqual([403, "token-expired"]);
    expect((await admin.listTokens()).find((listed) => listed.id === id)?.state).toBe("expired");
    aheadMs = 0;
  });

  it("are worthless once revoked; revoking twice is no error", async () => {
    const { admin } = fixture;
    const { token, id } = await admin.createToken();
    expect((await admin.revokeToken(id)).state).toBe("revoked");
    expect((await admin.revokeToken(id)).state).toBe("revoked");
    expect(await refusal(token)).toEqual([403, "token-revoked"]);
  });

  it("with an unknown id, a wrong secret or no sense at all are refused, without telling more", async () => {
    const { admin } = fixture;
    const { token } = await admin.createToken();
    const parts = decodeJoinToken(token);
    const wrongSecret = encodeJoinToken({ ...parts, secret: randomBytes(32).toString("base64url") });
    const unknownId = encodeJoinToken({ ...parts, id: randomBytes(16).toString("hex") });
    expect(await refusal(wrongSecret)).toEqual([403, "token-unknown"]);
    expect(await refusal(unknownId)).toEqual([403, "token-unknown"]);
    for (const malformed of ["", "mesh1_", "hello", `${token.slice(0, 60)}`, "mesh1_'; DROP TABLE tokens; --"]) {
      expect(await refusal(malformed)).toEqual([400, "token-malformed"]);
    }
    expect(await refusal("x".repeat(10_000))).toEqual([400, "bad-request"]);
  });

  it("bound to a name serve under that name alone, and keep it for their bearer", async () => {
    const { client, admin } = fixture;
    const bound = await admin.createToken({ name: "db" });
    const free = await admin.createToken({ uses: null });
    expect(await refusal(bound.token, "other")).toEqual([403, "token-bound"]);
    expect(await refusal(free.token, "db")).toEqual([409, "name-taken"]);
    expect((await client.register(makeKeys(), "db", bound.token)).self.name).toBe("db");
  });

  it("bound to a revoked or expired name set it free", async () => {
    const { client, admin } = fixture;
    const { id } = await admin.createToken({ name: "cache" });
    await admin.revokeToken(id);
    const { token } = await admin.createToken();
    expect((await client.register(makeKeys(), "cache", token)).self.name).toBe("cache");
  });

  it("bound to an address reserve it until they are redeemed or revoked", async () => {
    const { client, admin } = fixture;
    const ip4 = "10.86.100.7";
    const bound = await admin.createToken({ ip4 });
    expect(bound).toMatchObject({ ip4, uses: 1 });
    const taken = await admin.call<ErrorJson>("POST", "/v1/admin/tokens", { ip4 });
    expect([taken.status, taken.json.error.code]).toEqual([409, "address-taken"]);
    await admin.revokeToken(bound.id);
    const again = await admin.createToken({ ip4 });
    const { self } = await client.register(makeKeys(), freshName(), again.token);
    expect(self.ip4).toBe(ip4);
    expect(self.ip6.endsWith("::2407")).toBe(true);
    const held = await admin.call<ErrorJson>("POST", "/v1/admin/tokens", { ip4 });
    expect(held.json.error.code).toBe("address-taken");
  });

  it("release the address that they reserved when they expire", async () => {
    const { admin } = fixture;
    const ip4 = "10.86.100.8";
    await admin.createToken({ ip4, expiresInSeconds: 10 });
    aheadMs = 11_000;
    expect((await admin.createToken({ ip4 })).ip4).toBe(ip4);
    aheadMs = 0;
  });

  it("take only addresses that a host in the leaf can have", async () => {
    const { admin } = fixture;
    for (const ip4 of ["10.86.64.0", "10.86.127.255", "10.86.0.5", "192.0.2.1"]) {
      const answer = await admin.call<ErrorJson>("POST", "/v1/admin/tokens", { ip4 });
      expect([ip4, answer.status, answer.json.error.code]).toEqual([ip4, 400, "bad-address"]);
    }
  });

  it("for a CIDR put the peer there, with the admin right and tags that they carry", async () => {
    const { client, admin } = fixture;
    const { token } = await admin.createToken({ cidr: "infra", admin: true, tags: ["relay"], ephemeral: true });
    const { self } = await client.register(makeKeys(), freshName(), token);
    expect(self).toMatchObject({ cidr: "infra", admin: true, tags: ["relay"] });
    expect(self.ip4).toBe("10.86.0.1");
  });

  it("are refused for a CIDR that is not there or is no leaf", async () => {
    const { admin } = fixture;
    const unknown = await admin.call<ErrorJson>("POST", "/v1/admin/tokens", { cidr: "nowhere" });
    expect([unknown.status, unknown.json.error.code]).toEqual([404, "not-found"]);
    const root = await admin.call<ErrorJson>("POST", "/v1/admin/tokens", { cidr: "root" });
    expect([root.status, root.json.error.code]).toEqual([400, "bad-request"]);
  });

  it("that do not exist cannot be revoked", async () => {
    const { admin } = fixture;
    for (const id of ["0".repeat(32), "nonsense", "..%2f", "%00", "a".repeat(3000)]) {
      const answer = await admin.call<ErrorJson>("DELETE", `/v1/admin/tokens/${id}`);
      expect([answer.status, answer.json.error.code]).toEqual([404, "not-found"]);
    }
  });
});
