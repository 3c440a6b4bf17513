import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { silentLogger } from "../../../../src/base/logger.ts";
import { OverrideEndpoints } from "../../../../src/daemon/session/override-endpoints.ts";
import { mapPeer, networkMap } from "../../../support/network-map.ts";

/** Lookups that wait for the test to answer them. */
let asked: { readonly host: string; answer(...addresses: string[]): void; fail(): void }[];
let changes: number;
let overrides: OverrideEndpoints;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance", "Date"] });
  asked = [];
  changes = 0;
  overrides = new OverrideEndpoints({
    resolve: (host) =>
      new Promise((resolve, reject) => {
        const answer = (...addresses: string[]) => resolve(addresses);
        asked.push({ host, answer, fail: () => reject(new Error("ENOTFOUND")) });
      }),
    clock: { monotonicMs: () => performance.now(), wallMs: () => Date.now() },
    logger: silentLogger,
    onChange: () => changes++,
  });
});
afterEach(() => {
  overrides[Symbol.dispose]();
  vi.useRealTimers();
});

const peersAt = (...texts: (string | null)[]) =>
  networkMap(texts.map((overrideEndpoint, i) => mapPeer(`peer-${i}`, i + 2, { overrideEndpoint })));

/** Lets what has been answered be taken. */
const settle = async () => {
  for (let i = 0; i < 3; i++) await turn();
};

it("an address needs nobody to be asked", () => {
  overrides.setPeers(peersAt("192.0.2.9:4500", "[2001:db8::9]:4500", null));
  expect(overrides.endpointsOf("192.0.2.9:4500")).toEqual(["192.0.2.9:4500"]);
  expect(overrides.endpointsOf("[2001:db8::9]:4500")).toEqual(["[2001:db8::9]:4500"]);
  expect(overrides.endpointsOf(null)).toEqual([]);
  expect(asked).toEqual([]);
});

it("a name means its addresses, four at most, as soon as they are known", async () => {
  overrides.setPeers(peersAt("vpn.example.com:4500"));
  expect(overrides.endpointsOf("vpn.example.com:4500")).toEqual([]);
  asked[0]!.answer("192.0.2.1", "2001:db8::1", "192.0.2.2", "192.0.2.3", "192.0.2.4");
  await settle();
  const endpoints = ["192.0.2.1:4500", "[2001:db8::1]:4500", "192.0.2.2:4500", "192.0.2.3:4500"];
  expect([overrides.endpointsOf("vpn.example.com:4500"), changes]).toEqual([endpoints, 1]);
});

it("is asked for again after five minutes, after a failure in one, and keeps what it meant meanwhile", async () => {
  overrides.setPeers(peersAt("vpn.example.com:4500"));
  asked[0]!.answer("192.0.2.1");
  await settle();
  vi.advanceTimersByTime(299_000);
  expect(asked).toHaveLength(1);
  vi.advanceTimersByTime(1000);
  asked[1]!.fail();
  await settle();
  expect([overrides.endpointsOf("vpn.example.com:4500"), changes]).toEqual([["192.0.2.1:4500"], 1]);
  vi.advanceTimersByTime(60_000);
  asked[2]!.answer("192.0.2.2");
  await settle();
  expect([overrides.endpointsOf("vpn.example.com:4500"), changes]).toEqual([["192.0.2.2:4500"], 2]);
});

it("many names take their turns, and one without an answer does not hold up the others", async () => {
  overrides.setPeers(peersAt(...Array.from({ length: 10 }, (_, i) => `host-${i}.example:1`)));
  expect(asked).toHaveLength(4);
  vi.advanceTimersByTime(5000);
  await settle();
  expect(asked).toHaveLength(8);
  for (const each of asked.slice(4)) each.answer("192.0.2.1");
  await settle();
  expect(new Set(asked.map(({ host }) => host)).size).toBe(10);
});

it("another network is a reason to ask again, but not too often", async () => {
  overrides.setPeers(peersAt("vpn.example.com:4500"));
  asked[0]!.answer("192.0.2.1");
  await settle();
  for (let i = 0; i < 20; i++) overrides.networkChanged();
  expect(asked).toHaveLength(1);
  vi.advanceTimersByTime(2000);
  expect(asked).toHaveLength(2);
});

it("names of peers that are gone are forgotten", async () => {
  overrides.setPeers(peersAt("vpn.example.com:4500"));
  asked[0]!.answer("192.0.2.1");
  await settle();
  overrides.setPeers(peersAt());
  expect(overrides.endpointsOf("vpn.example.com:4500")).toEqual([]);
  vi.advanceTimersByTime(1_000_000);
  expect(asked).toHaveLength(1);
});
