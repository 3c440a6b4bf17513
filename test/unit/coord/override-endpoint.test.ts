import { expect, it } from "vitest";
import type { AdminPeer } from "../../../src/api/admin.ts";
import type { Answer } from "../../support/coordinator-client.ts";
import { TestCoordinator } from "../../support/test-coordinator.ts";

const network = TestCoordinator.forEachTest();
const join = (name: string, token: object = {}) => network.join(name, token);

const override = (name: string, endpoint: unknown): Promise<Answer<AdminPeer & { error: { code: string } }>> =>
  network.admin.call("POST", `/v1/admin/peers/${name}/override-endpoint`, { endpoint });

it("an endpoint by the word of an admin reaches the other peers at once, survives a restart, and goes again", async () => {
  const alice = await join("alice");
  await join("bob");
  const before = await network.client.connect(alice);
  expect(before.peer("bob")).toMatchObject({ overrideEndpoint: null });
  expect((await override("bob", "vpn.example.com:51820")).json).toMatchObject({
    name: "bob",
    overrideEndpoint: "vpn.example.com:51820",
  });
  await before.until("the override", () => before.peer("bob")?.overrideEndpoint === "vpn.example.com:51820");
  await network.restart();
  const after = await network.client.connect(alice);
  expect(after.peer("bob")?.overrideEndpoint).toBe("vpn.example.com:51820");
  await override("bob", null);
  await after.until("no override", () => after.peer("bob")?.overrideEndpoint === null);
  expect((await network.admin.listPeers()).map(({ overrideEndpoint }) => overrideEndpoint)).toEqual([null, null]);
});

it("stays through what the peer tells of itself", async () => {
  const [alice, bob] = [await join("alice"), await join("bob")];
  await override("bob", "[2001:db8::1]:4500");
  const [a, b] = [await network.client.connect(alice), await network.client.connect(bob)];
  b.send({ type: "endpoints", listenPort: 7, endpoints: ["192.0.2.7:7"] });
  await a.until("bob's own", () => a.peer("bob")?.endpoints[0] === "192.0.2.7:7");
  expect(a.peer("bob")?.overrideEndpoint).toBe("[2001:db8::1]:4500");
});

it.each([
  ["127.0.0.1:51820", 400, "bad-endpoint"],
  ["[::1]:51820", 400, "bad-endpoint"],
  ["10.86.0.7:51820", 400, "bad-endpoint"],
  ["224.0.0.1:51820", 400, "bad-endpoint"],
  ["vpn.example.com", 400, "bad-request"],
  ["vpn..example.com:1", 400, "bad-request"],
  ["vpn.example.com:70000", 400, "bad-request"],
  [7, 400, "bad-request"],
])("%s is refused", async (endpoint, status, code) => {
  await join("bob");
  const answer = await override("bob", endpoint);
  expect([answer.status, answer.json.error.code]).toEqual([status, code]);
});

it("a peer that is not there is not found", async () => {
  const answer = await override("nobody", "192.0.2.1:1");
  expect([answer.status, answer.json.error.code]).toEqual([404, "not-found"]);
});
