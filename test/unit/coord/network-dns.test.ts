import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AdminEvent } from "../../../src/api/admin.ts";
import type { DnsEntry, DnsServersEntry } from "../../../src/api/network-dns.ts";
import { type Answer, makeKeys, type TestControl, type TestKeys } from "../../support/coordinator-client.ts";
import { type CoordinatorFixture, startCoordinator, temporaryHome } from "../../support/coordinator-fixture.ts";

let home: Awaited<ReturnType<typeof temporaryHome>>;
let fixture: CoordinatorFixture;

const start = async () => {
  fixture = await startCoordinator(home.path, { tls: "off" }, { limits: { challengeBurst: 10_000 } });
};
beforeEach(async () => {
  home = await temporaryHome();
  await start();
  for (const [name, cidr4] of [
    ["humans", "10.86.128.0/24"],
    ["servers", "10.86.129.0/24"],
    ["far", "10.86.130.0/24"],
  ]) {
    expect((await fixture.admin.call("POST", "/v1/admin/cidrs", { name, cidr4 })).status).toBe(200);
  }
  await fixture.admin.call("POST", "/v1/admin/associations", { from: "humans", to: "servers", oneWay: false });
});
afterEach(async () => {
  await fixture.coordinator.close();
  await home[Symbol.asyncDispose]();
});

type Refusal = { readonly error: { readonly code: string; readonly message: string } };
const RECORDS = "/v1/admin/dns/records";

async function join(name: string, cidr: string): Promise<TestKeys> {
  const keys = makeKeys();
  await fixture.client.register(keys, name, (await fixture.admin.createToken({ cidr })).token);
  return keys;
}
const body = (text: string, ttlSeconds: number | null = null) => {
  const [name, type, ...data] = text.split(" ");
  return { record: { name, type, data: data.join(" "), ttlSeconds } };
};
/** `git CNAME alice.mesh`. */
const tryAdd = (text: string, ttlSeconds: number | null = null): Promise<Answer<DnsEntry & Refusal>> =>
  fixture.admin.call("POST", RECORDS, body(text, ttlSeconds));
const add = async (text: string, ttlSeconds: number | null = null) => {
  const answer = await tryAdd(text, ttlSeconds);
  expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
  return answer.json;
};
const remove = (name: string, type: string | null = null, data: string | null = null) =>
  fixture.admin.call<DnsEntry[] & Refusal>("POST", `${RECORDS}/remove`, { name, type, data });
const list = async () => (await fixture.admin.call<DnsEntry[]>("GET", RECORDS)).json;
const setServers = (suffix: string | null, servers: string[]) =>
  fixture.admin.call<DnsServersEntry & Refusal>("POST", "/v1/admin/dns/servers", { suffix, servers });
const told = (control: TestControl) =>
  (control.map?.dns.records ?? []).map(({ name, type, data }) => `${name} ${type} ${data}`).sort();
const toldOf = (control: TestControl, ...expected: string[]) =>
  control.until(
    `the records ${expected.join(", ")}`,
    () => JSON.stringify(told(control)) === JSON.stringify(expected.sort()),
  );
const events = async () =>
  (await fixture.admin.call<AdminEvent[]>("GET", "/v1/admin/audit")).json.filter(({ action }) =>
    action.startsWith("dns."),
  );

describe("who is told of a record", () => {
  it("who sees all that it is about: by the name that it is below, by where it leads to, through other records", async () => {
    const alice = await fixture.client.connect(await join("alice", "humans"));
    const db = await fixture.client.connect(await join("db", "servers"));
    const far = await fixture.client.connect(await join("far-1", "far"));
    await add("git CNAME db.mesh");
    await add("www CNAME git.mesh");
    await add("_pg._tcp.db SRV 0 5 5432 db.mesh");
    await add("by-address A 10.86.129.1");
    await add("by-address6 AAAA 2001:db8::1");
    await add("_s._tcp SRV 0 5 1 www.mesh");
    await add("note TXT of everybody");
    await add("out CNAME example.com");
    const public_ = ["by-address6 AAAA 2001:db8::1", "note TXT of everybody", "out CNAME example.com"];
    const all = [
      ...public_,
      "git CNAME db.mesh",
      "www CNAME git.mesh",
      "_pg._tcp.db SRV 0 5 5432 db.mesh",
      "by-address A 10.86.129.1",
      "_s._tcp SRV 0 5 1 www.mesh",
    ];
    await toldOf(alice, ...all);
    await toldOf(db, ...all);
    await toldOf(far, ...public_);
    expect(JSON.stringify(far.messages)).not.toMatch(/git|"db|_pg|10\.86\.129/);
    // What joins CIDRs decides at each moment.
    await fixture.admin.call("DELETE", "/v1/admin/associations/humans/servers");
    await toldOf(alice, ...public_);
    await fixture.admin.call("POST", "/v1/admin/associations", { from: "far", to: "servers", oneWay: false });
    await toldOf(far, ...all);
    for (const control of [alice, db, far]) expect(control.brokenDelta).toBe(false);
  });

  it("within a second, by a delta of nothing else; and who comes later, or again", async () => {
    const keys = await join("alice", "humans");
    const alice = await fixture.client.connect(keys);
    await add("nas A 192.0.2.7", 60);
    const addedAt = Date.now();
    await toldOf(alice, "nas A 192.0.2.7");
    expect(Date.now() - addedAt).toBeLessThan(1000);
    expect(alice.messages.at(-1)).toMatchObject({ type: "delta", delta: { upserted: [], removed: [] } });
    expect(alice.map?.dns.records).toEqual([{ name: "nas", type: "A", data: "192.0.2.7", ttlSeconds: 60 }]);
    const held = alice.map;
    await alice.close();
    await remove("nas");
    await toldOf(await fixture.client.connect(keys, held));
    await add("late TXT x");
    await fixture.coordinator.close();
    await start();
    await toldOf(await fixture.client.connect(keys), "late TXT x");
  });
});

describe("names", () => {
  it("a record follows the peer that it is below, and the one that it leads to, when they are renamed", async () => {
    const alice = await fixture.client.connect(await join("alice", "humans"));
    await add("git.alice CNAME alice.mesh");
    await add("home CNAME alice.humans.mesh");
    await add("alice TXT a person");
    await fixture.admin.call("POST", "/v1/admin/peers/alice/rename", { to: "alicia" });
    await toldOf(alice, "git.alicia CNAME alicia.mesh", "home CNAME alicia.mesh", "alicia TXT a person");
  });

  it("go with their peer", async () => {
    await join("alice", "humans");
    const bob = await fixture.client.connect(await join("bob", "humans"));
    await add("git.alice A 192.0.2.1");
    await add("home CNAME alice.mesh");
    await add("way CNAME home.mesh");
    await toldOf(bob, "git.alice A 192.0.2.1", "home CNAME alice.mesh", "way CNAME home.mesh");
    await fixture.admin.call("DELETE", "/v1/admin/peers/alice");
    // Nobody follows an alias that leads nowhere; who looks at the list is told why.
    await toldOf(bob);
    expect(await list()).toMatchObject([{ name: "way.mesh", note: "there is no home.mesh any more" }]);
    expect((await events()).map(({ action, subject }) => `${action} ${subject}`)).toEqual([
      "dns.add git.alice",
      "dns.add home",
      "dns.add way",
      "dns.remove git.alice",
      "dns.remove home",
    ]);
  });

  it("of a peer that comes later are the peer's, and the list says so", async () => {
    await add("carol A 192.0.2.1");
    await join("carol", "humans");
    expect(await list()).toMatchObject([
      { name: "carol.mesh", note: "a peer has come to have this name, which is its own" },
    ]);
  });

  it("aliases never make a circle, whatever the order they come in", async () => {
    await add("a A 192.0.2.1");
    await add("b CNAME a.mesh");
    await add("c CNAME b.mesh");
    await remove("a", "A");
    const answer = await tryAdd("a CNAME c.mesh");
    expect([answer.json.error.code, answer.json.error.message]).toEqual([
      "dns-conflict",
      "a.mesh would be an alias of itself",
    ]);
  });

  it("several records of a name, removed by type, by data, or all", async () => {
    for (const text of ["web A 192.0.2.1", "web A 192.0.2.2", "web AAAA 2001:db8::1", "web TXT Mixed Case"])
      await add(text);
    expect((await remove("web", "a", "192.0.2.1")).json).toHaveLength(1);
    expect((await remove("web", "TXT", "mixed case")).json.error.code).toBe("not-found");
    expect((await remove("WEB.mesh.", "AAAA")).json).toHaveLength(1);
    expect((await list()).map(({ type }) => type).sort()).toEqual(["A", "TXT"]);
    expect((await remove("web")).json).toHaveLength(2);
    expect(await list()).toEqual([]);
  });
});

describe("a peer without the admin right", () => {
  it("has the names below its own, and no others; it learns of none that it does not see", async () => {
    const keys = await join("alice", "humans");
    await join("bob", "humans");
    await join("hidden", "far");
    const as = (path: string, sent: object) => fixture.client.signed<DnsEntry & Refusal>(keys, "POST", path, sent);
    expect((await as(RECORDS, body("git.alice CNAME alice.mesh"))).json).toMatchObject({ peer: "alice", note: null });
    expect((await as(RECORDS, body("alice TXT hello"))).status).toBe(200);
    expect((await as(RECORDS, body("friend.alice CNAME bob.mesh"))).status).toBe(200);
    const codes = async (text: string) => (await as(RECORDS, body(text))).json.error.code;
    expect(await codes("git A 192.0.2.1")).toBe("not-permitted");
    expect(await codes("git.bob A 192.0.2.1")).toBe("not-permitted");
    expect(await codes("xalice A 192.0.2.1")).toBe("not-permitted");
    expect(await codes("bob TXT x")).toBe("not-permitted");
    expect(await codes("alice A 192.0.2.1")).toBe("dns-conflict");
    // A peer that it does not see, and none at all, are the same to it.
    expect(await codes("x.alice CNAME hidden.mesh")).toBe("not-found");
    expect(await codes("x.alice CNAME nobody.mesh")).toBe("not-found");
    await add("secret CNAME hidden.mesh");
    expect(await codes("x.alice CNAME secret.mesh")).toBe("not-found");
    const seen = await fixture.client.signed<DnsEntry[]>(keys, "GET", RECORDS);
    expect(seen.json.map(({ name }) => name)).toEqual(["alice.mesh", "friend.alice.mesh", "git.alice.mesh"]);
    const removal = (name: string) => as(`${RECORDS}/remove`, { name, type: null, data: null });
    expect((await removal("secret")).json.error.code).toBe("not-permitted");
    expect((await removal("git.alice")).status).toBe(200);
    expect((await events()).at(-1)).toMatchObject({ actor: "peer:alice", action: "dns.remove", subject: "git.alice" });
  });

  it("cannot crowd out the others", async () => {
    const keys = await join("alice", "humans");
    const answers = [];
    for (let i = 0; i < 33; i++) {
      answers.push((await fixture.client.signed(keys, "POST", RECORDS, body(`n${i}.alice TXT x`))).status);
    }
    expect(answers.filter((status) => status === 200)).toHaveLength(32);
    expect(answers.at(-1)).toBe(409);
  });
});

describe("servers", () => {
  it("of several suffixes stand side by side, and each is set by itself", async () => {
    const alice = await fixture.client.connect(await join("alice", "humans"));
    await setServers("corp.example", ["192.0.2.1"]);
    await setServers(null, ["192.0.2.53", "2001:db8::53#5353"]);
    await setServers("Lab.corp.example.", ["192.0.2.2"]);
    await setServers("corp.example", ["192.0.2.3", "192.0.2.4"]);
    const expected = {
      records: [],
      servers: ["192.0.2.53", "2001:db8::53#5353"],
      splits: [
        { suffix: "corp.example", servers: ["192.0.2.3", "192.0.2.4"] },
        { suffix: "lab.corp.example", servers: ["192.0.2.2"] },
      ],
    };
    await alice.until("the servers", () => JSON.stringify(alice.map?.dns) === JSON.stringify(expected));
    await setServers("corp.example", []);
    await setServers(null, []);
    await alice.until("the rest", () => alice.map?.dns.servers.length === 0 && alice.map.dns.splits.length === 1);
    expect((await fixture.admin.call("GET", "/v1/admin/dns/servers")).json).toEqual([
      { suffix: "lab.corp.example", servers: ["192.0.2.2"] },
    ]);
    expect((await events()).map(({ subject }) => subject)).toEqual([
      "corp.example",
      ".",
      "lab.corp.example",
      "corp.example",
      "corp.example",
      ".",
    ]);
  });
});
