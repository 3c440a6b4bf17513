import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AdminCidr } from "../../../src/api/admin-cidrs.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { type Answer, makeKeys } from "../../support/coordinator-client.ts";
import { type CoordinatorFixture, startCoordinator, temporaryHome } from "../../support/coordinator-fixture.ts";

let home: Awaited<ReturnType<typeof temporaryHome>>;
let fixture: CoordinatorFixture;
/** How far the coordinator's clock is ahead of ours. */
let aheadMs = 0;

const start = async () => {
  const options = { tls: "off", networkCidr4: "10.86.0.0/16", networkCidr6: "fd00:1:2::/48" } as const;
  const clock = { ...systemClock, wallMs: () => systemClock.wallMs() + aheadMs };
  fixture = await startCoordinator(home.path, options, { clock, limits: { challengeBurst: 10_000 } });
};
beforeEach(async () => {
  home = await temporaryHome();
  aheadMs = 0;
  await start();
});
afterEach(async () => {
  await fixture.coordinator.close();
  await home[Symbol.asyncDispose]();
});

type CidrAnswer = Answer<AdminCidr & { error: { code: string; message: string } }>;

const ask = (method: string, path: string, body?: object): Promise<CidrAnswer> =>
  fixture.admin.call(method, `/v1/admin/cidrs${path}`, body);
const add = (name: string, cidr4: string, more: object = {}) => ask("POST", "", { name, cidr4, ...more });
const list = async () => (await fixture.admin.call<AdminCidr[]>("GET", "/v1/admin/cidrs")).json;
const names = async () => (await list()).map(({ name }) => name);
const setEnabled = (name: string, enabled: boolean) => ask("POST", `/${name}/${enabled ? "enable" : "disable"}`);

async function made(answer: Promise<CidrAnswer>): Promise<AdminCidr> {
  const { status, text, json } = await answer;
  if (status !== 200) throw new Error(text);
  return json;
}

/** The refusal's code and words; nothing may have changed. */
async function refused(answer: Promise<CidrAnswer>): Promise<[status: number, code: string, message: string]> {
  const before = await list();
  const { status, json } = await answer;
  expect(await list()).toEqual(before);
  return [status, json.error.code, json.error.message];
}

async function join(name: string, cidr?: string) {
  const keys = makeKeys();
  const { token } = await fixture.admin.createToken(cidr === undefined ? {} : { cidr });
  return { keys, self: (await fixture.client.register(keys, name, token)).self };
}

describe("the tree of CIDRs", () => {
  it("begins with root, infra and a leaf for everybody", async () => {
    expect(await list()).toEqual([
      {
        name: "root",
        cidr4: "10.86.0.0/16",
        cidr6: "fd00:1:2::/48",
        parent: null,
        enabled: true,
        peers: 0,
        nextIp4: null,
      },
      {
        name: "infra",
        cidr4: "10.86.0.0/24",
        cidr6: "fd00:1:2::/56",
        parent: "root",
        enabled: true,
        peers: 0,
        nextIp4: "10.86.0.1",
      },
      {
        name: "members",
        cidr4: "10.86.64.0/18",
        cidr6: "fd00:1:2:4000::/50",
        parent: "root",
        enabled: true,
        peers: 0,
        nextIp4: "10.86.64.1",
      },
    ]);
  });

  it("grows by CIDRs in CIDRs, of both families, and survives a restart", async () => {
    expect(await made(add("servers", "10.86.128.0/20"))).toEqual({
      name: "servers",
      cidr4: "10.86.128.0/20",
      cidr6: "fd00:1:2:8000::/52",
      parent: "root",
      enabled: true,
      peers: 0,
      nextIp4: "10.86.128.1",
    });
    expect(await made(add("db", "10.86.130.0/24", { parent: "servers" }))).toMatchObject({
      parent: "servers",
      cidr6: "fd00:1:2:8200::/56",
    });
    expect(await made(add("web", "10.86.131.0/24", { cidr6: "fd00:1:2:8fff::/64" }))).toMatchObject({
      parent: "servers",
      cidr6: "fd00:1:2:8fff::/64",
    });
    // Below a range that somebody chose, IPv6 goes on from there.
    expect(await made(add("blog", "10.86.131.128/25"))).toMatchObject({ cidr6: "fd00:1:2:8fff:8000::/65" });
    const { self } = await join("bob", "blog");
    expect([self.ip4, self.ip6]).toEqual(["10.86.131.129", "fd00:1:2:8fff:8000::1"]);
    const before = await list();
    expect(before.map(({ name, nextIp4, peers }) => [name, nextIp4, peers])).toEqual([
      ["root", null, 0],
      ["infra", "10.86.0.1", 0],
      ["members", "10.86.64.1", 0],
      ["servers", null, 0],
      ["db", "10.86.130.1", 0],
      ["web", null, 0],
      ["blog", "10.86.131.130", 1],
    ]);
    await fixture.coordinator.close();
    await start();
    expect(await list()).toEqual(before);
  });

  it.each([
    ["members", "10.86.128.0/24", {}, 409, "name-taken", "there is a CIDR members already"],
    ["x", "10.86.64.0/18", {}, 409, "cidr-overlap", "10.86.64.0/18 is members already"],
    ["x", "10.86.0.0/17", {}, 409, "cidr-overlap", "overlaps infra (10.86.0.0/24), members (10.86.64.0/18)"],
    ["x", "10.87.0.0/24", {}, 400, "bad-cidr", "not inside the network (10.86.0.0/16)"],
    ["x", "10.86.0.0/15", {}, 400, "bad-cidr", "10.86.0.0/15"],
    ["x", "10.86.128.1/24", {}, 400, "bad-cidr", "host bits"],
    ["x", "10.86.128.0/31", {}, 400, "bad-cidr", "no room for a peer"],
    ["x", "fd00:1:2:8000::/52", {}, 400, "bad-cidr", "not IPv4"],
    ["x", "10.86.128.0/33", {}, 400, "bad-cidr", "cidr4"],
    ["x", "'; DROP TABLE cidrs; --", {}, 400, "bad-cidr", "cidr4"],
    ["x", "1".repeat(10_000), {}, 400, "bad-cidr", "cidr4"],
    ["x", "10.86.128.0/20", { cidr6: "10.86.128.0/20" }, 400, "bad-cidr", "not IPv6"],
    ["x", "10.86.128.0/20", { cidr6: "fd00:9::/64" }, 400, "bad-cidr", "not inside root (fd00:1:2::/48)"],
    ["x", "10.86.128.0/20", { cidr6: "fd00:1:2::/48" }, 400, "bad-cidr", "not inside root"],
    ["x", "10.86.128.0/20", { cidr6: "fd00:1:2:8000::/120" }, 400, "bad-cidr", "must be a /116 or wider"],
    ["x", "10.86.128.0/20", { cidr6: "fd00:1:2:4100::/56" }, 409, "cidr-overlap", "members (fd00:1:2:4000::/50)"],
    ["x", "10.86.128.0/20", { cidr6: "fd00:1:2:4000::/49" }, 400, "bad-cidr", "host bits"],
    ["x", "10.86.128.0/20", { parent: "members" }, 409, "cidr-wrong-parent", "is root (10.86.0.0/16), not members"],
    ["x", "10.86.128.0/20", { parent: "nobody" }, 404, "not-found", "there is no CIDR nobody"],
    ["x", "10.86.128.0/20", { parent: "No Body" }, 400, "bad-name", "parent"],
    ["x".repeat(10_000), "10.86.128.0/20", {}, 400, "bad-name", "name"],
    ["a\u0007b", "10.86.128.0/20", {}, 400, "bad-name", "name"],
    ["any", "10.86.128.0/20", {}, 400, "bad-name", "name"],
    ["x", "10.86.128.0/20", { colour: "red" }, 400, "bad-request", "unknown fields"],
  ])("refuses %.20s %.30s %j", async (name, cidr4, more, status, code, words) => {
    const refusal = await refused(add(name, cidr4, more));
    expect(refusal).toEqual([status, code, expect.stringContaining(words)]);
    expect(refusal[2].length).toBeLessThan(400);
  });

  it("keeps peers in leaves: a CIDR that has some, or is to get some, takes no others in", async () => {
    const [, code, message] = await refused(add("inner", "10.86.64.0/24"));
    expect([code, message]).toEqual(["cidr-in-use", expect.stringContaining("whose token names no CIDR")]);
    await made(add("servers", "10.86.128.0/20"));
    const { id } = await fixture.admin.createToken({ cidr: "servers", name: "carol", ip4: "10.86.128.9" });
    expect(await refused(add("db", "10.86.128.0/24"))).toEqual([
      409,
      "cidr-in-use",
      `peers live in leaves only, and servers (10.86.128.0/20) is to stay one: token ${id} (for carol, 10.86.128.9)`,
    ]);
    await fixture.admin.revokeToken(id);
    await join("bob", "servers");
    expect((await refused(add("db", "10.86.128.0/24")))[2]).toMatch(/: peer bob$/);
    const { status } = await fixture.admin.call("POST", "/v1/admin/tokens", { cidr: "root" });
    expect(status).toBe(400);
  });

  it("refuses what the network cannot do without", async () => {
    for (const name of ["root", "infra", "members"]) {
      expect((await refused(ask("DELETE", `/${name}`))).slice(0, 2)).toEqual([409, "cidr-builtin"]);
    }
    for (const name of ["root", "infra"]) {
      expect((await refused(setEnabled(name, false))).slice(0, 2)).toEqual([409, "cidr-builtin"]);
    }
    for (const path of ["/nobody", `/${"x".repeat(1000)}`, "/%27%20OR%201=1--", "/%00"]) {
      const [status, code, message] = await refused(ask("DELETE", path));
      expect([status, code]).toEqual([404, "not-found"]);
      expect(message.length).toBeLessThan(150);
    }
    expect((await refused(ask("POST", "/nobody/rename", { to: "x" })))[1]).toBe("not-found");
    expect((await refused(ask("POST", "/members/rename", { to: "root" })))[1]).toBe("name-taken");
    expect((await refused(ask("POST", "/members/rename", { to: "no_t" })))[1]).toBe("bad-name");
  });

  it("deletes only what is empty, and says what is inside", async () => {
    await made(add("servers", "10.86.128.0/20"));
    await made(add("db", "10.86.128.0/24"));
    await made(add("guests", "10.86.192.0/24"));
    await fixture.admin.call("POST", "/v1/admin/associations", { from: "guests", to: "servers", oneWay: true });
    expect((await refused(ask("DELETE", "/servers")))[2]).toBe("servers is in use: CIDR db; association with guests");
    for (let i = 1; i <= 6; i++) await join(`db-${i}`, "db");
    const { id } = await fixture.admin.createToken({ cidr: "db" });
    const inUse = await refused(ask("DELETE", "/db"));
    expect(inUse).toEqual([
      409,
      "cidr-in-use",
      `db is in use: peers db-1, db-2, db-3, db-4, db-5 and 1 more; token ${id}`,
    ]);
    await made(add("empty", "10.86.193.0/24"));
    await fixture.admin.revokeToken((await fixture.admin.createToken({ cidr: "empty", ip4: "10.86.193.7" })).id);
    expect(await made(ask("DELETE", "/empty"))).toMatchObject({ name: "empty", cidr4: "10.86.193.0/24" });
    expect(await names()).not.toContain("empty");
    expect((await fixture.admin.listTokens()).filter(({ cidr }) => cidr === "empty")).toEqual([]);
  });

  it("never gives a former peer's address to another, wherever borders come to lie", async () => {
    await made(add("servers", "10.86.128.0/20", { cidr6: "fd00:1:2:f000::/64" }));
    const { keys, self } = await join("bob", "servers");
    expect(self.ip4).toBe("10.86.128.1");
    await fixture.client.leave(keys);
    await made(ask("DELETE", "/servers"));
    expect(await refused(add("other", "10.86.144.0/24", { cidr6: "fd00:1:2:f000::/68" }))).toEqual([
      409,
      "cidr-overlap",
      "fd00:1:2:f000::/68 holds fd00:1:2:f000::1, once the address of a peer at 10.86.128.1",
    ]);
    expect(await made(add("again", "10.86.128.0/24"))).toMatchObject({ nextIp4: "10.86.128.2" });
    await made(add("small", "10.86.129.0/30"));
    const answer = await fixture.admin.call<{ error: { code: string; hint: string } }>("POST", "/v1/admin/tokens", {
      cidr: "again",
      ip4: "10.86.128.1",
    });
    expect(answer.json.error).toMatchObject({ code: "address-taken", hint: "10.86.128.2 is free, for one." });
    expect((await join("carol", "again")).self.ip4).toBe("10.86.128.2");
  });
});

describe("what a token reserves", () => {
  it("holds nobody up once the token has expired", async () => {
    await made(add("servers", "10.86.128.0/20"));
    await fixture.admin.createToken({ cidr: "servers", ip4: "10.86.128.1", expiresInSeconds: 60 });
    expect((await refused(add("db", "10.86.128.0/24")))[1]).toBe("cidr-in-use");
    aheadMs = 61_000;
    await made(add("db", "10.86.128.0/24"));
    expect((await join("db-1", "db")).self.ip4).toBe("10.86.128.1");
  });
});

it("every change is in the audit log, with what was before and after; what was refused is not", async () => {
  await made(add("servers", "10.86.128.0/20"));
  await made(ask("POST", "/servers/rename", { to: "hosts" }));
  await made(setEnabled("hosts", false));
  await made(setEnabled("hosts", false));
  await refused(ask("DELETE", "/members"));
  await made(ask("DELETE", "/hosts"));
  const { json } = await fixture.admin.call<{ action: string }[]>("GET", "/v1/admin/audit");
  const range = { cidr4: "10.86.128.0/20", cidr6: "fd00:1:2:8000::/52" };
  expect(json.filter(({ action }) => action.startsWith("cidr."))).toMatchObject([
    { action: "cidr.add", actor: "host", subject: "servers", before: null, after: { name: "servers", ...range } },
    { action: "cidr.rename", subject: "servers", before: { name: "servers" }, after: { name: "hosts" } },
    { action: "cidr.disable", subject: "hosts", before: { enabled: true }, after: { enabled: false } },
    { action: "cidr.delete", subject: "hosts", before: { name: "hosts", ...range, enabled: false }, after: null },
  ]);
});

describe("a change of the tree reaches the peers at once", () => {
  it("another name: in their own entry, in those of others, and in the CIDRs they may know of", async () => {
    const alice = await fixture.client.connect((await join("alice")).keys);
    const { keys } = await join("bob");
    const bob = await fixture.client.connect(keys);
    await alice.until("bob", () => alice.peer("bob") !== undefined);
    expect(alice.map?.cidrs.map(({ name }) => name)).toEqual(["root", "infra", "members"]);
    expect(await made(ask("POST", "/members/rename", { to: "people" }))).toMatchObject({ name: "people" });
    await alice.until("the name", () => alice.peer("bob")?.cidr === "people");
    await bob.until("the name", () => bob.map?.self.cidr === "people");
    expect(alice.map?.cidrs.map(({ name }) => name)).toEqual(["root", "infra", "people"]);
    expect((await fixture.admin.listPeers()).map(({ cidr }) => cidr)).toEqual(["people", "people"]);
    // Peers with no CIDR named still go there.
    expect((await join("carol")).self.cidr).toBe("people");
  });

  it("a disabled CIDR: its peers are gone everywhere, see nobody, and let nobody in until it is enabled", async () => {
    await made(add("servers", "10.86.128.0/20"));
    await made(add("db", "10.86.128.0/24"));
    const inDb = await join("db-1", "db");
    await join("db-2", "db");
    const relay = await fixture.client.connect((await join("relay", "infra")).keys);
    const [db, other] = [
      await fixture.client.connect(inDb.keys),
      await fixture.client.connect((await join("alice")).keys),
    ];
    const { token } = await fixture.admin.createToken({ cidr: "db" });
    await made(setEnabled("servers", false));
    await db.until("nobody", () => db.map?.peers.length === 0);
    await relay.until("db-1 and db-2 are gone", () => relay.map?.peers.length === 1);
    expect(db.map?.cidrs).toEqual([]);
    expect(other.peer("relay")).toBeDefined();
    const late = await fixture.client.tryRegister(makeKeys(), "db-3", token);
    expect([late.status, late.json.error.code]).toEqual([403, "cidr-disabled"]);
    await made(setEnabled("servers", true));
    await db.until("the others", () => db.peer("db-2") !== undefined && db.peer("relay") !== undefined);
    await relay.until("the others", () => relay.peer("db-1") !== undefined);
    expect(db.peer("db-1")).toBeUndefined();
    expect(db.brokenDelta).toBe(false);
    await fixture.client.register(makeKeys(), "db-3", token);
  });
});
