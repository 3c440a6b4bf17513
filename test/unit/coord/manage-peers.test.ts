import { describe, expect, it } from "vitest";
import type { AdminPeer } from "../../../src/api/admin.ts";
import { type Answer, makeKeys } from "../../support/coordinator-client.ts";
import { TestCoordinator } from "../../support/test-coordinator.ts";

const network = TestCoordinator.forEachTest();
const join = (name: string, token: object = {}) => network.join(name, token);

type PeerAnswer = Answer<AdminPeer & { error: { code: string } }>;
const change = (name: string, verb: string, body: object = {}): Promise<PeerAnswer> =>
  network.admin.call("POST", `/v1/admin/peers/${encodeURIComponent(name)}/${verb}`, body);
const remove = (name: string): Promise<PeerAnswer> =>
  network.admin.call("DELETE", `/v1/admin/peers/${encodeURIComponent(name)}`);
const refused = async (answer: Promise<PeerAnswer>) => {
  const { status, json } = await answer;
  return [status, json.error.code];
};
const named = async (name: string) => (await network.admin.listPeers()).find((peer) => peer.name === name);

describe("a peer that is renamed", () => {
  it("is the same peer under another name to all who see it, itself among them, and after a restart", async () => {
    const [alice, bob] = [await join("alice"), await join("bob")];
    const [a, b] = [await network.client.connect(alice), await network.client.connect(bob)];
    const before = a.peer("bob");
    expect((await change("bob", "rename", { to: "robert" })).json.name).toBe("robert");
    await a.until("the new name", () => a.peer("robert") !== undefined);
    expect(a.peer("bob")).toBeUndefined();
    expect(a.peer("robert")).toMatchObject({ ip4: before?.ip4, wireguardKey: bob.wireguardKey });
    await b.until("its own new name", () => b.map?.self.name === "robert");
    await network.restart();
    expect((await network.client.register(bob, "robert")).resumed).toBe(true);
    expect((await network.client.tryRegister(bob, "bob")).json.error.code).toBe("name-mismatch");
  });

  it("leaves its name free, and takes none that is a peer's, invited, or no name", async () => {
    await join("bob");
    await join("carol");
    await network.admin.createToken({ name: "dave" });
    expect(await refused(change("bob", "rename", { to: "carol" }))).toEqual([409, "name-taken"]);
    expect(await refused(change("bob", "rename", { to: "dave" }))).toEqual([409, "name-taken"]);
    for (const to of ["", "Bob", "all", "a--b", "x".repeat(10_000), "b'; DROP TABLE peers; --", "b\u0000", "b\n"]) {
      expect(await refused(change("bob", "rename", { to }))).toEqual([400, "bad-name"]);
    }
    expect(await refused(change("nobody", "rename", { to: "erin" }))).toEqual([404, "not-found"]);
    expect((await change("bob", "rename", { to: "bob" })).json.name).toBe("bob");
    await change("bob", "rename", { to: "robert" });
    await join("bob");
    expect((await network.admin.listPeers()).map(({ name }) => name)).toEqual(["bob", "carol", "dave", "robert"]);
  });
});

describe("a peer that is disabled", () => {
  it("is out of every map at once, its channel ends, and it is not let in, also after a restart", async () => {
    const [alice, bob] = [await join("alice"), await join("bob")];
    const [a, b] = [await network.client.connect(alice), await network.client.connect(bob)];
    await a.until("bob online", () => a.peer("bob")?.online === true);
    const sinceMs = performance.now();
    expect((await change("bob", "disable")).json.state).toBe("disabled");
    await a.until("bob gone", () => a.peer("bob") === undefined);
    expect(performance.now() - sinceMs).toBeLessThan(1000);
    await b.untilClosed();
    expect(b.rejection).toBe("peer-disabled");
    for (const restarts of [0, 1]) {
      if (restarts === 1) await network.restart();
      const again = network.client.openControl();
      await again.authenticate(bob);
      await again.untilClosed();
      expect(again.rejection).toBe("peer-disabled");
      const resume = await network.client.tryRegister(bob, "bob");
      expect([resume.status, resume.json.error.code]).toEqual([403, "peer-disabled"]);
      const { token } = await network.admin.createToken();
      expect((await network.client.tryRegister(bob, "bob", token)).json.error.code).toBe("peer-disabled");
      expect(await named("bob")).toMatchObject({ state: "disabled", online: false });
    }
  });

  it("keeps its name and address from others, and is back as it was once it is enabled", async () => {
    const [alice, bob] = [await join("alice"), await join("bob")];
    const ip4 = (await named("bob"))?.ip4;
    await change("bob", "disable");
    await change("bob", "disable");
    const { token } = await network.admin.createToken();
    expect((await network.client.tryRegister(makeKeys(), "bob", token)).json.error.code).toBe("name-taken");
    const a = await network.client.connect(alice);
    expect(a.peer("bob")).toBeUndefined();
    expect((await change("bob", "enable")).json).toMatchObject({ state: "active", ip4 });
    await a.until("bob is back", () => a.peer("bob")?.ip4 === ip4);
    const b = await network.client.connect(bob);
    expect(b.peer("alice")).toBeDefined();
    await a.until("bob online", () => a.peer("bob")?.online === true);
  });
});

describe("a peer that is deleted", () => {
  it("is gone everywhere at once; its name is free, its address nobody's", async () => {
    const [alice, bob] = [await join("alice"), await join("bob")];
    const [a, b] = [await network.client.connect(alice), await network.client.connect(bob)];
    const { json: gone } = await remove("bob");
    expect(gone).toMatchObject({ name: "bob", publicKey: bob.wireguardKey });
    await a.until("bob gone", () => a.peer("bob") === undefined);
    await b.untilClosed();
    expect(b.rejection).toBe("not-registered");
    expect((await network.client.tryRegister(bob, "bob")).json.error.code).toBe("token-required");
    const taken = await network.admin.call<{ error: { code: string; message: string } }>("POST", "/v1/admin/tokens", {
      ip4: gone.ip4,
    });
    expect(taken.json.error).toMatchObject({ code: "address-taken" });
    expect(taken.json.error.message).toContain("a former peer had it");
    await join("bob");
    expect((await named("bob"))?.ip4).not.toBe(gone.ip4);
    expect(await refused(remove("nobody"))).toEqual([404, "not-found"]);
  });
});

describe("the admin right and tags", () => {
  it("reach the peer itself and the others", async () => {
    const [alice, bob] = [await join("alice"), await join("bob")];
    const [a, b] = [await network.client.connect(alice), await network.client.connect(bob)];
    expect((await change("bob", "admin", { admin: true })).json.admin).toBe(true);
    await b.until("the right", () => b.map?.self.admin === true);
    expect((await change("bob", "tags", { tags: ["db", "eu", "db"] })).json.tags).toEqual(["db", "eu"]);
    await a.until("the tags", () => a.peer("bob")?.tags.join() === "db,eu");
    expect((await change("bob", "tags", { tags: [] })).json.tags).toEqual([]);
    expect(await refused(change("bob", "tags", { tags: ["NO"] }))).toEqual([400, "bad-name"]);
    expect(await refused(change("bob", "admin", { admin: "yes" }))).toEqual([400, "bad-request"]);
  });

  it("the last admin can be neither removed, nor disabled, nor made a peer like others", async () => {
    await join("root-admin", { admin: true });
    await join("bob", { admin: true });
    await change("bob", "disable");
    const before = await network.admin.listPeers();
    expect(await refused(remove("root-admin"))).toEqual([409, "last-admin"]);
    expect(await refused(change("root-admin", "disable"))).toEqual([409, "last-admin"]);
    expect(await refused(change("root-admin", "admin", { admin: false }))).toEqual([409, "last-admin"]);
    expect(await network.admin.listPeers()).toEqual(before);
    await change("bob", "enable");
    expect((await change("root-admin", "admin", { admin: false })).json.admin).toBe(false);
  });
});
