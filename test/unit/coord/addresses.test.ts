import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseListenAddress } from "../../../src/api/listen-address.ts";
import { RateLimiter } from "../../../src/base/rate-limiter.ts";
import {
  deriveCidr6,
  firstCidrs,
  hostAddressPair,
  hostNumber,
  lastHostNumber,
  parseNetwork,
} from "../../../src/coord/addresses/address-plan.ts";
import { allocateAddress } from "../../../src/coord/addresses/allocation.ts";
import { openNetwork } from "../../../src/coord/network-setup.ts";
import { advertisedEndpoints } from "../../../src/coord/peers/endpoints.ts";
import { Store } from "../../../src/coord/store/store.ts";
import { parseAddress } from "../../../src/packet/address.ts";
import { cidrContains, cidrContainsAddress, cidrOf, cidrsOverlap, formatCidr } from "../../../src/packet/cidr.ts";
import { sourceBlock } from "../../../src/packet/source-block.ts";
import { plainAddress } from "../../../src/web/client-address.ts";
import { temporaryHome } from "../../support/coordinator-fixture.ts";

const network = parseNetwork("10.86.0.0/16", "fd00:1:2::/48");

const subnetArbitrary = fc
  .record({ offset: fc.nat(0xffff), bits: fc.integer({ min: 16, max: 32 }) })
  .map(({ offset, bits }) => cidrOf(Uint8Array.of(10, 86, offset >> 8, offset & 0xff), bits));

describe("address plan", () => {
  it("nests IPv6 networks exactly as their IPv4 ones", () => {
    fc.assert(
      fc.property(subnetArbitrary, subnetArbitrary, (a, b) => {
        const [a6, b6] = [deriveCidr6(network, a), deriveCidr6(network, b)];
        expect(cidrContains(a6, b6)).toBe(cidrContains(a, b));
        expect(cidrsOverlap(a6, b6)).toBe(cidrsOverlap(a, b));
        expect(cidrContains(network.cidr6, a6)).toBe(true);
      }),
    );
  });

  it("gives each host one number and one address in each family", () => {
    fc.assert(
      fc.property(subnetArbitrary, fc.nat(), (cidr4, seed) => {
        const last = lastHostNumber(cidr4);
        fc.pre(last >= 1);
        const host = 1 + (seed % last);
        const pair = { cidr4, cidr6: deriveCidr6(network, cidr4) };
        const { ip4, ip6 } = hostAddressPair(pair, host);
        expect(hostNumber(cidr4, parseAddress(ip4))).toBe(host);
        expect(cidrContainsAddress(cidr4, parseAddress(ip4))).toBe(true);
        expect(cidrContainsAddress(pair.cidr6, parseAddress(ip6))).toBe(true);
      }),
    );
  });

  it("finds room for infra and members in every network it takes", () => {
    for (let bits = 8; bits <= 26; bits++) {
      const { infra, members } = firstCidrs(
        parseNetwork(formatCidr(cidrOf(Uint8Array.of(10, 0, 0, 0), bits)), "fd00::/48"),
      );
      expect(cidrsOverlap(infra.cidr4, members.cidr4)).toBe(false);
      expect(cidrsOverlap(infra.cidr6, members.cidr6)).toBe(false);
      expect(lastHostNumber(infra.cidr4)).toBeGreaterThanOrEqual(6);
      expect(lastHostNumber(members.cidr4)).toBeGreaterThanOrEqual(14);
    }
  });
});

describe("allocation", () => {
  it("hands out every host address of a leaf once, then says that it is full, then fills gaps", async () => {
    await using home = await temporaryHome();
    const store = await Store.open(`${home.path}/test.db`, 0);
    await openNetwork(store, { networkCidr4: "10.0.0.0/26", networkCidr6: "fd00::/48" }, 0);
    const leaf = () =>
      store.reader.selectFrom("cidrs").selectAll().where("role", "=", "default").executeTakeFirstOrThrow();
    const take = async () => {
      const row = await leaf();
      return store.write(async (writer) => {
        const { ip4, ip6, host } = await allocateAddress(writer, row);
        await writer.db.insertInto("addresses").values({ ip4, ip6, host, cidr_id: row.id, tombstoned_at: 1 }).execute();
        return ip4;
      });
    };
    const given: string[] = [];
    for (let i = 0; i < 14; i++) given.push(await take());
    expect(given).toEqual(Array.from({ length: 14 }, (_, i) => `10.0.0.${17 + i}`));
    await expect(take()).rejects.toMatchObject({ code: "cidr-full" });
    for (const free of ["10.0.0.30", "10.0.0.17", "10.0.0.24"]) {
      await store.write(({ db }) => db.deleteFrom("addresses").where("ip4", "=", free).execute());
      expect(await take()).toBe(free);
    }
    await expect(take()).rejects.toMatchObject({ code: "cidr-full" });
    await store.close();
  });
});

describe("endpoints told to others", () => {
  const told = (claimed: string[], observed = "198.51.100.4") =>
    advertisedEndpoints({ cidr4: "10.86.0.0/16", cidr6: "fd00:1:2::/48" }, claimed, observed, 51820);

  it("keep the peer's order, put the observed address last, and have no doubles", () => {
    expect(told(["192.0.2.1:1", "[2001:DB8:0::1]:2", "192.0.2.1:1"])).toEqual([
      "192.0.2.1:1",
      "[2001:db8::1]:2",
      "198.51.100.4:51820",
    ]);
    expect(told(["198.51.100.4:51820", "192.0.2.1:1"])).toEqual(["198.51.100.4:51820", "192.0.2.1:1"]);
    expect(told([], "2001:db8::9")).toEqual(["[2001:db8::9]:51820"]);
  });

  it("leave out the mesh itself, loopback, multicast and zones", () => {
    expect(
      told(["10.86.1.1:1", "[fd00:1:2::5]:1", "127.0.0.1:1", "[::1]:1", "[ff02::1]:1", "[fe80::1%en0]:1"], "127.0.0.1"),
    ).toEqual([]);
  });
});

describe("source addresses", () => {
  it("are canonical, without mapping or zone", () => {
    expect(plainAddress("::ffff:192.0.2.1")).toBe("192.0.2.1");
    expect(plainAddress("FE80::1%eth0")).toBe("fe80::1");
    expect(plainAddress("2001:DB8:0:0::1")).toBe("2001:db8::1");
    fc.assert(fc.property(fc.string(), (text) => void plainAddress(text)));
    for (const garbage of ["", "x", "1.2.3", "192.0.2.1:80", "[::1]"]) expect(plainAddress(garbage)).toBeUndefined();
  });

  it("pay by IPv4 address or IPv6 /64", () => {
    expect(sourceBlock("2001:db8:1:2::1")).toBe(sourceBlock("2001:db8:1:2:ffff::9"));
    expect(sourceBlock("2001:db8:1:2::1")).not.toBe(sourceBlock("2001:db8:1:3::1"));
    expect(sourceBlock("192.0.2.1")).not.toBe(sourceBlock("192.0.2.2"));
    expect(sourceBlock("fe80::1%eth0")).toBe(sourceBlock("fe80::2%eth1"));
  });
});

describe("rate limiter", () => {
  it("allows a burst, then its rate, and never more in any window", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(400), { maxLength: 200 }), (gapsMs) => {
        const limiter = new RateLimiter(5, 10);
        let nowMs = 0;
        const grantedMs: number[] = [];
        for (const gapMs of gapsMs) {
          nowMs += gapMs;
          if (limiter.take("a", nowMs)) grantedMs.push(nowMs);
        }
        for (let from = 0; from < grantedMs.length; from++) {
          for (let to = from; to < grantedMs.length; to++) {
            const windowMs = grantedMs[to]! - grantedMs[from]!;
            expect(to - from + 1).toBeLessThanOrEqual(5 + windowMs / 100 + 1e-6);
          }
        }
      }),
    );
  });

  it("keeps sources apart, and a clock that steps back costs nothing", () => {
    const limiter = new RateLimiter(1, 1);
    expect([limiter.take("a", 1000), limiter.take("a", 0), limiter.take("b", 0)]).toEqual([true, false, true]);
  });
});

describe("listen addresses", () => {
  it("are taken in each of their forms", () => {
    expect(parseListenAddress(":8443")).toEqual({ host: "", port: 8443 });
    expect(parseListenAddress("0.0.0.0:0")).toEqual({ host: "0.0.0.0", port: 0 });
    expect(parseListenAddress("[::]:443")).toEqual({ host: "::", port: 443 });
    expect(parseListenAddress("localhost:1")).toEqual({ host: "localhost", port: 1 });
  });

  it("that are none are refused with one code", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          const { port } = parseListenAddress(text);
          expect(port).toBeLessThanOrEqual(65535);
        } catch (failure) {
          expect(failure).toMatchObject({ code: "bad-config" });
        }
      }),
    );
    for (const wrong of ["", "8443", ":", ":x", ":65536", "::1:80", "[::1]", ":08443", "a b:1"]) {
      expect(() => parseListenAddress(wrong)).toThrow(expect.objectContaining({ code: "bad-config" }));
    }
  });
});
