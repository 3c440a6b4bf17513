import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AdminEvent } from "../../../src/api/admin.ts";
import type { AdvertisedRoute, PeerOffers } from "../../../src/api/admin-offers.ts";
import { type Answer, makeKeys, type TestKeys } from "../../support/coordinator-client.ts";
import { type CoordinatorFixture, startCoordinator, temporaryHome } from "../../support/coordinator-fixture.ts";

let home: Awaited<ReturnType<typeof temporaryHome>>;
let fixture: CoordinatorFixture;
let alice: TestKeys;
let bob: TestKeys;

const start = async () => {
  fixture = await startCoordinator(home.path, { tls: "off" }, { limits: { challengeBurst: 10_000 } });
};
beforeEach(async () => {
  home = await temporaryHome();
  await start();
  [alice, bob] = [await join("alice"), await join("bob")];
});
afterEach(async () => {
  await fixture.coordinator.close();
  await home[Symbol.asyncDispose]();
});

async function join(name: string, cidr?: string) {
  const keys = makeKeys();
  const { token } = await fixture.admin.createToken(cidr === undefined ? {} : { cidr });
  await fixture.client.register(keys, name, token);
  return keys;
}

type Reply = Answer<PeerOffers & { error: { code: string; message: string } }>;
const exit = (name: string, allowed: boolean): Promise<Reply> =>
  fixture.admin.call("POST", `/v1/admin/exits/${name}`, { allowed });
const route = (name: string, verb: "approve" | "revoke", cidr: string): Promise<Reply> =>
  fixture.admin.call("POST", `/v1/admin/routes/${name}/${verb}`, { route: cidr });
const LAN = "192.168.50.0/24";

describe("an exit", () => {
  it("is offered to the others until an admin forbids it, and is remembered over a restart", async () => {
    const [a, b] = [await fixture.client.connect(alice), await fixture.client.connect(bob)];
    expect(a.peer("bob")?.exit ?? []).toEqual([]);
    b.send({ type: "offers", exit: ["ipv6", "ipv4"], routes: [] });
    await a.until("the offer", () => a.peer("bob")?.exit?.length === 2);
    expect(a.peer("bob")?.exit).toEqual(["ipv4", "ipv6"]);

    expect((await exit("bob", false)).json).toMatchObject({ exit: ["ipv4", "ipv6"], exitForbidden: true });
    await a.until("no exit", () => a.peer("bob")?.exit === undefined);
    await b.until("the word", () => b.map?.self.exitForbidden === true);
    await fixture.coordinator.close();
    await start();
    const [again, self] = [await fixture.client.connect(alice), await fixture.client.connect(bob)];
    expect(again.peer("bob")?.exit).toBeUndefined();
    expect(self.map?.self.exitForbidden).toBe(true);
    // What the peer said last is still known.
    await exit("bob", true);
    await again.until("the exit", () => again.peer("bob")?.exit?.length === 2);
    self.send({ type: "offers", exit: [], routes: [] });
    await again.until("no exit", () => again.peer("bob")?.exit === undefined);
  });

  it("is seen by those alone that may start connections to it", async () => {
    for (const [name, cidr] of [
      ["office", "10.86.128.0/24"],
      ["robots", "10.86.129.0/24"],
    ]) {
      await fixture.admin.call("POST", "/v1/admin/cidrs", { name, cidr4: cidr });
    }
    await fixture.admin.call("POST", "/v1/admin/associations", { from: "office", to: "robots", oneWay: true });
    const clerk = await fixture.client.connect(await join("clerk", "office"));
    const robot = await fixture.client.connect(await join("robot", "robots"));
    const offers = { type: "offers", exit: ["ipv4"], routes: [] };
    robot.send(offers);
    await clerk.until("the offer", () => clerk.peer("robot")?.exit?.length === 1);
    clerk.send(offers);
    const onlooker = await fixture.client.connect(await join("colleague", "office"));
    await onlooker.until("the offer", () => onlooker.peer("clerk")?.exit?.length === 1);
    // Whoever comes later is told by a whole map, who is there already by a delta: robot has seen none in either.
    const robotAgain = await fixture.client.connect(await join("machine", "robots"));
    for (const view of [robot, robotAgain]) {
      expect(view.peer("clerk")).toMatchObject({ name: "clerk", mayStart: "peer" });
      expect(view.peer("clerk")?.exit).toBeUndefined();
    }
  });
});

describe("a network behind a peer", () => {
  it("is told to the others once an admin has approved it, and until it is revoked", async () => {
    const [a, b] = [await fixture.client.connect(alice), await fixture.client.connect(bob)];
    b.send({ type: "offers", exit: [], routes: [LAN, "fd50::/64"] });
    const listed = async () => (await fixture.admin.call<AdvertisedRoute[]>("GET", "/v1/admin/routes")).json;
    await expect.poll(listed).toHaveLength(2);
    expect((await listed())[0]).toEqual({ peer: "bob", cidr: LAN, advertised: true, approved: false });
    expect(a.peer("bob")?.routes).toBeUndefined();

    expect((await route("bob", "approve", LAN)).json.approvedRoutes).toEqual([LAN]);
    await a.until("the route", () => a.peer("bob")?.routes?.[0] === LAN);
    await b.until("the approval", () => b.map?.self.approvedRoutes?.[0] === LAN);
    expect(a.peer("bob")?.allowedIps).not.toContain(LAN);

    b.send({ type: "offers", exit: [], routes: [] });
    await a.until("no route", () => a.peer("bob")?.routes === undefined);
    expect(await listed()).toEqual([{ peer: "bob", cidr: LAN, advertised: false, approved: true }]);
    b.send({ type: "offers", exit: [], routes: [LAN] });
    await a.until("the route again", () => a.peer("bob")?.routes?.[0] === LAN);
    await route("bob", "revoke", LAN);
    await a.until("no route any more", () => a.peer("bob")?.routes === undefined);

    const events = (await fixture.admin.call<AdminEvent[]>("GET", "/v1/admin/audit")).json;
    const about = events.filter(({ action }) => action.startsWith("peer.route"));
    expect(about.map(({ actor, action, before, after }) => ({ actor, action, before, after }))).toEqual([
      {
        actor: "host",
        action: "peer.route-approve",
        before: { approvedRoutes: [] },
        after: { approvedRoutes: [LAN] },
      },
      { actor: "host", action: "peer.route-revoke", before: { approvedRoutes: [LAN] }, after: { approvedRoutes: [] } },
    ]);
  });

  it("is approved of one peer alone, and only what is advertised is approved", async () => {
    const [a, b] = [await fixture.client.connect(alice), await fixture.client.connect(bob)];
    a.send({ type: "offers", exit: [], routes: ["192.168.0.0/16"] });
    b.send({ type: "offers", exit: [], routes: [LAN] });
    await expect.poll(async () => (await route("bob", "approve", LAN)).status).toBe(200);
    const second = await route("alice", "approve", "192.168.0.0/16");
    expect([second.status, second.json.error.code]).toEqual([409, "route-overlap"]);
    expect(second.json.error.message).toContain(`${LAN}, which is approved of bob`);
    const unknown = await route("bob", "approve", "192.168.51.0/24");
    expect([unknown.status, unknown.json.error.code]).toEqual([404, "not-found"]);
  });

  it("is left aside where it can be behind nobody", async () => {
    const b = await fixture.client.connect(bob);
    const routes = ["0.0.0.0/0", "::/0", "10.86.7.0/24", "127.0.0.0/8", "169.254.0.0/16", "192.168.50.1/24", LAN];
    b.send({ type: "offers", exit: [], routes });
    await expect
      .poll(async () => (await fixture.admin.call<AdvertisedRoute[]>("GET", "/v1/admin/routes")).json)
      .toEqual([{ peer: "bob", cidr: LAN, advertised: true, approved: false }]);
    expect(b.closeCode).toBeUndefined();
  });
});
