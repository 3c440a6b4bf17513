import { describe, expect, it } from "vitest";
import { NetworkFacts } from "../../../../src/host/network/network-facts.ts";
import { parseRouteMessages } from "../../../../src/host/network/rtnetlink.ts";
import { addressMessage, linkMessage, routeMessage } from "../../../support/rtnetlink-messages.ts";

const OURS = 9;

function watching(): (message: Buffer) => boolean {
  const facts = new NetworkFacts([OURS]);
  return (message) => parseRouteMessages(message)!.some((fact) => facts.note(fact));
}

const eth0 = { index: 2 };
const address = { address: "192.0.2.7/24", index: 2 };
const route = { gateway: "192.0.2.1", index: 2 };
const DOWN = 0x1;

describe("what counts as a change of network", () => {
  it("is what is said for the first time, and no repetition of it", () => {
    const isNews = watching();
    for (const message of [linkMessage(eth0), addressMessage(address), routeMessage(route)]) {
      expect(isNews(message)).toBe(true);
      expect(isNews(message)).toBe(false);
    }
  });

  it("is another state, and the end", () => {
    const isNews = watching();
    for (const message of [linkMessage(eth0), addressMessage(address), routeMessage(route)]) isNews(message);
    expect(isNews(routeMessage({ ...route, gateway: "192.0.2.9" }))).toBe(true);
    expect(isNews(routeMessage({ ...route, isRemoval: true }))).toBe(true);
    expect(isNews(addressMessage({ ...address, isRemoval: true }))).toBe(true);
    expect(isNews(linkMessage({ ...eth0, mtu: 1280 }))).toBe(true);
    expect(isNews(linkMessage({ ...eth0, flags: DOWN }))).toBe(true);
    expect(isNews(linkMessage(eth0))).toBe(true);
  });

  it("is the end of what was there before we looked", () => {
    expect(watching()(linkMessage({ ...eth0, flags: DOWN }))).toBe(true);
    expect(watching()(linkMessage({ ...eth0, isRemoval: true }))).toBe(true);
    expect(watching()(addressMessage({ ...address, isRemoval: true }))).toBe(true);
    expect(watching()(routeMessage({ ...route, isRemoval: true }))).toBe(true);
  });

  it("is an address when it is ready, not while its neighbours are being asked", () => {
    const isNews = watching();
    const fresh = { address: "2001:db8::7/64", index: 2 };
    expect(isNews(addressMessage({ ...fresh, flags: 0x40 }))).toBe(false);
    expect(isNews(addressMessage(fresh))).toBe(true);
    // The link was away, and the address is asked for again.
    expect(isNews(addressMessage({ ...fresh, flags: 0x40 }))).toBe(true);
    expect(isNews(addressMessage(fresh))).toBe(true);
  });

  it("is a route that comes back after it went with its link, or its address, without a word", () => {
    const isNews = watching();
    for (const message of [linkMessage(eth0), addressMessage(address), routeMessage(route)]) isNews(message);
    isNews(linkMessage({ ...eth0, flags: DOWN }));
    isNews(linkMessage(eth0));
    expect(isNews(routeMessage(route))).toBe(true);
    isNews(addressMessage({ ...address, isRemoval: true }));
    isNews(addressMessage(address));
    expect(isNews(routeMessage(route))).toBe(true);
  });

  it("is nothing about our own interface and the routes into it", () => {
    const isNews = watching();
    expect(isNews(linkMessage({ index: OURS }))).toBe(false);
    expect(isNews(addressMessage({ address: "10.86.0.7/32", index: OURS }))).toBe(false);
    expect(isNews(routeMessage({ destination: "10.86.0.0/16", index: OURS }))).toBe(false);
    expect(isNews(routeMessage({ destination: "10.86.0.0/16", index: OURS, isRemoval: true }))).toBe(false);
  });

  it("stays bounded on a host with a whole routing table of the Internet, and goes on working", () => {
    const isNews = watching();
    for (let i = 0; i < 20_000; i++) {
      expect(isNews(routeMessage({ destination: `10.${i >> 8}.${i & 255}.0/24`, index: 2 }))).toBe(true);
    }
    expect(isNews(routeMessage({ destination: "10.78.31.0/24", index: 2 }))).toBe(false);
  });
});
