import { describe, expect, it } from "vitest";
import { addressesInHosts, namesToAsk, parseResolvConf } from "../../../../src/host/underlay/resolv-conf.ts";

describe("resolv.conf(5)", () => {
  it("takes what matters for addresses, and passes over the rest", () => {
    const text = [
      "; written by somebody",
      "domain early.example",
      "nameserver 192.0.2.53   # ours",
      "nameserver fe80::1%eth0",
      "nameserver not-an-address",
      "search example.com. corp.example",
      "sortlist 130.155.160.0/255.255.240.0",
      "options edns0 ndots:2 timeout:3 attempts:99",
    ].join("\n");
    expect(parseResolvConf(text)).toEqual({
      servers: ["192.0.2.53", "fe80::1%eth0"],
      search: ["example.com", "corp.example"],
      ndots: 2,
      timeoutMs: 3000,
      attempts: 5,
    });
  });

  it("asks this host when no server is named, and no more than three", () => {
    expect(parseResolvConf("")).toMatchObject({ servers: ["127.0.0.1"], search: [], ndots: 1 });
    const many = [1, 2, 3, 4].map((i) => `nameserver 192.0.2.${i}`).join("\n");
    expect(parseResolvConf(many).servers).toEqual(["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
  });

  it.each([
    ["www.example.org", ["www.example.org", "www.example.org.a", "www.example.org.b"]],
    ["www", ["www.a", "www.b", "www"]],
    ["www.", ["www"]],
  ])("%s is asked as %j", (name, names) => {
    expect(namesToAsk(name, { search: ["a", "b"], ndots: 1 })).toEqual(names);
  });
});

describe("hosts(5)", () => {
  const text = "127.0.0.1 localhost\n192.0.2.7\tdb.example DB # and db2\n2001:db8::7 db\nnonsense db\n";

  it("has names in any case, and all their addresses", () => {
    expect(addressesInHosts(text, "Db")).toEqual(["192.0.2.7", "2001:db8::7"]);
    expect(addressesInHosts(text, "db.example.")).toEqual(["192.0.2.7"]);
  });

  it("has no names behind a #", () => {
    expect(addressesInHosts(text, "db2")).toEqual([]);
  });
});
