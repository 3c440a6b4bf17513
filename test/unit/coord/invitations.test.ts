import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AdminPeer, TokenCreated } from "../../../src/api/admin.ts";
import { type Clock, systemClock } from "../../../src/base/clock.ts";
import { type Answer, makeKeys } from "../../support/coordinator-client.ts";
import { type CoordinatorFixture, startCoordinator, temporaryHome } from "../../support/coordinator-fixture.ts";
import { soon } from "../../support/soon.ts";

const DAY_MS = 86_400_000;

let home: Awaited<ReturnType<typeof temporaryHome>>;
let fixture: CoordinatorFixture;
let aheadMs = 0;
const clock: Clock = { monotonicMs: systemClock.monotonicMs, wallMs: () => Date.now() + aheadMs };

beforeAll(async () => {
  home = await temporaryHome();
  const limits = { challengeBurst: 10_000, upkeepIntervalMs: 20 };
  fixture = await startCoordinator(home.path, { tls: "off" }, { clock, limits });
});
afterAll(async () => {
  await fixture.coordinator.close();
  await home[Symbol.asyncDispose]();
});

const named = async (name: string): Promise<AdminPeer | undefined> =>
  (await fixture.admin.listPeers()).find((peer) => peer.name === name);
const reissue = (name: string, body: object = {}): Promise<Answer<TokenCreated & { error: { code: string } }>> =>
  fixture.admin.call("POST", `/v1/admin/invitations/${name}/reissue`, body);
const stateOf = async (id: string) => (await fixture.admin.listTokens()).find((token) => token.id === id)?.state;

describe("an invited peer", () => {
  it("is in the list with the address that waits for it, and gets that one when it joins", async () => {
    const { client, admin } = fixture;
    const { token, ip4 } = await admin.createToken({ name: "db", autoIp: true, admin: true, tags: ["eu"] });
    expect(await named("db")).toMatchObject({
      state: "invited",
      ip4,
      cidr: "members",
      publicKey: null,
      admin: true,
      online: false,
      tags: ["eu"],
    });
    expect((await named("db"))?.ip6).toMatch(/^fd/);
    const { token: free } = await admin.createToken();
    expect((await client.register(makeKeys(), "other", free)).self.ip4).not.toBe(ip4);
    expect((await client.register(makeKeys(), "db", token)).self.ip4).toBe(ip4);
    expect(await named("db")).toMatchObject({ state: "active", ip4 });
  });

  it("without an address of its own is listed as well", async () => {
    await fixture.admin.createToken({ name: "plain" });
    expect(await named("plain")).toMatchObject({ state: "invited", ip4: null, ip6: null });
  });

  it("has a name that can be neither invited twice nor taken", async () => {
    const { admin } = fixture;
    await admin.createToken({ name: "once" });
    for (const name of ["once", "other"]) {
      const answer = await admin.call<{ error: { code: string } }>("POST", "/v1/admin/tokens", { name });
      expect([answer.status, answer.json.error.code]).toEqual([409, "name-taken"]);
    }
  });

  it("is invited no more once it is deleted: the token is worthless, name and address are free", async () => {
    const { client, admin } = fixture;
    const { token, id, ip4 } = await admin.createToken({ name: "guest", autoIp: true });
    const deleted = await admin.call<AdminPeer>("DELETE", "/v1/admin/peers/guest");
    expect(deleted.json).toMatchObject({ name: "guest", state: "invited", ip4 });
    expect(await named("guest")).toBeUndefined();
    expect(await stateOf(id)).toBe("revoked");
    expect((await client.tryRegister(makeKeys(), "guest", token)).json.error.code).toBe("token-revoked");
    expect((await admin.createToken({ name: "guest", ip4: ip4 ?? "" })).ip4).toBe(ip4);
  });

  it("joins once, also when two redeem the invitation at the same instant", async () => {
    const { client, admin } = fixture;
    const { token } = await admin.createToken({ name: "twice", autoIp: true });
    const requests = await Promise.all([1, 2].map(() => client.registerRequest(makeKeys(), "twice", token)));
    const answers = await Promise.all(requests.map((request) => client.send(request)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 403]);
  });
});

describe("reissuing", () => {
  it("makes another token for the same peer and address, and the lost one worthless", async () => {
    const { client, admin } = fixture;
    const lost = await admin.createToken({ name: "lost", autoIp: true, admin: true, tags: ["eu"], ephemeral: true });
    const { json: found } = await reissue("lost", { expiresInSeconds: 3600 });
    const { name, ip4, cidr, admin: isAdmin, tags, ephemeral, uses } = lost;
    expect(found).toMatchObject({ name, ip4, cidr, admin: isAdmin, tags, ephemeral, uses, state: "active" });
    expect(await stateOf(lost.id)).toBe("revoked");
    expect((await client.tryRegister(makeKeys(), "lost", lost.token)).json.error.code).toBe("token-revoked");
    expect((await client.register(makeKeys(), "lost", found.token)).self).toMatchObject({ ip4, admin: true });
    expect((await reissue("lost")).json.error.code).toBe("name-taken");
  });

  it("revives one that has expired, with another address where the old one is taken by now", async () => {
    const { admin } = fixture;
    const first = await admin.createToken({ name: "late", autoIp: true, expiresInSeconds: 10 });
    const second = await admin.createToken({ name: "later", autoIp: true, expiresInSeconds: 10 });
    aheadMs = 11_000;
    expect(await named("late")).toBeUndefined();
    await admin.createToken({ ip4: first.ip4 ?? "" });
    expect((await reissue("late")).json.ip4).not.toBe(first.ip4);
    expect((await reissue("later")).json.ip4).toBe(second.ip4);
    aheadMs = 0;
  });

  it("is refused for who was never invited, or whose invitation was withdrawn", async () => {
    const { admin } = fixture;
    const { id } = await admin.createToken({ name: "withdrawn" });
    await admin.revokeToken(id);
    for (const name of ["nobody", "withdrawn", "a".repeat(3000), "%00"]) {
      const { status, json } = await reissue(name);
      expect([status, json.error.code]).toEqual([404, "not-found"]);
    }
  });
});

it("tokens that have been worthless for a month are swept from the list, but for those that peers came with", async () => {
  const { client, admin } = fixture;
  const [used, unused] = [await admin.createToken(), await admin.createToken()];
  await client.register(makeKeys(), "keeper", used.token);
  aheadMs = (14 + 31) * DAY_MS;
  await soon(async () => expect(await stateOf(unused.id)).toBeUndefined());
  expect(await stateOf(used.id)).toBe("used");
  aheadMs = 0;
});
