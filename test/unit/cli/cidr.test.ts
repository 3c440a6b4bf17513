import { describe, expect, it } from "vitest";
import { AdminConsole } from "../../support/admin-console.ts";

describe("mesh cidr and mesh association", () => {
  const admin = AdminConsole.forEachTest({ networkCidr6: "fd00:1:2::/48" });
  const mesh = (...args: string[]) => admin.mesh(...args);
  const fails = (...args: string[]) => admin.fails(...args);

  it("make, show, rename, switch and delete CIDRs", async () => {
    expect(await mesh("cidr", "add", "servers", "10.86.128.0/20")).toBe(
      "servers is 10.86.128.0/20 and fd00:1:2:8000::/52, in root\n",
    );
    await mesh("cidr", "add", "db", "10.86.129.0/24", "fd00:1:2:8100::/56", "--parent", "servers");
    await mesh("cidr", "add", "web", "10.86.130.0/24");
    await mesh("cidr", "disable", "db");
    const listed = JSON.parse(await mesh("cidr", "list", "--tree", "--json"));
    expect(listed.find(({ name }: { name: string }) => name === "db")).toEqual({
      name: "db",
      cidr4: "10.86.129.0/24",
      cidr6: "fd00:1:2:8100::/56",
      parent: "servers",
      enabled: false,
      peers: 0,
      nextIp4: "10.86.129.1",
    });
    expect(await mesh("cidr", "list", "--tree")).toBe(`\
NAME        IPV4            IPV6                STATE     PEERS  NEXT FREE
root        10.86.0.0/16    fd00:1:2::/48       enabled       0  -
├─ infra    10.86.0.0/24    fd00:1:2::/56       enabled       0  10.86.0.1
├─ members  10.86.64.0/18   fd00:1:2:4000::/50  enabled       0  10.86.64.1
└─ servers  10.86.128.0/20  fd00:1:2:8000::/52  enabled       0  -
   ├─ db    10.86.129.0/24  fd00:1:2:8100::/56  disabled      0  10.86.129.1
   └─ web   10.86.130.0/24  fd00:1:2:8200::/56  enabled       0  10.86.130.1
`);
    expect(await mesh("cidr", "list")).toMatch(/^db +\S+ +\S+ +servers +disabled/m);
    expect(await mesh("cidr", "rename", "db", "data")).toBe("db is called data\n");
    expect(JSON.parse(await mesh("cidr", "enable", "data", "--json"))).toMatchObject({ name: "data", enabled: true });
    expect(await mesh("cidr", "delete", "data")).toBe("data is deleted\n");
  });

  it("associate CIDRs and part them", async () => {
    await mesh("cidr", "add", "servers", "10.86.128.0/20");
    await mesh("cidr", "add", "robots", "10.86.144.0/20");
    expect(await mesh("association", "list")).toBe("no associations\n");
    expect(await mesh("association", "add", "members", "servers")).toBe("members and servers see each other\n");
    expect(await mesh("association", "add", "robots", "servers", "--one-way")).toBe(
      "peers in robots may connect to servers\n",
    );
    expect(JSON.parse(await mesh("association", "list", "--json"))).toEqual([
      { from: "members", to: "servers", oneWay: false },
      { from: "robots", to: "servers", oneWay: true },
    ]);
    expect(await mesh("association", "list")).toBe(
      "FROM     TO       CONNECTIONS\nmembers  servers  both ways\nrobots   servers  one way\n",
    );
    expect(JSON.parse(await mesh("association", "delete", "servers", "members", "--json"))).toEqual({
      from: "members",
      to: "servers",
      oneWay: false,
    });
  });

  it("end with the exit status of what went wrong", async () => {
    expect(await fails("cidr", "add", "x", "10.86.0.0/20")).toEqual([6, "cidr-overlap"]);
    expect(await fails("cidr", "add", "x", "10.86.128.0/20", "--parent", "members")).toEqual([6, "cidr-wrong-parent"]);
    expect(await fails("cidr", "add", "x", "10.99.0.0/20")).toEqual([2, "bad-cidr"]);
    expect(await fails("cidr", "delete", "members")).toEqual([6, "cidr-builtin"]);
    expect(await fails("cidr", "delete", "../tokens")).toEqual([5, "not-found"]);
    expect(await fails("association", "add", "members", "members")).toEqual([2, "bad-association"]);
    expect(await fails("association", "delete", "members", "infra")).toEqual([5, "not-found"]);
    expect(await fails("cidr", "add", "x")).toEqual([2, "bad-usage"]);
  });
});
