import { describe, expect, it } from "vitest";
import { forwardRules, forwardTable } from "../../../src/exit/forward-table.ts";
import { forwardedNetworks } from "../../../src/exit/forwarded.ts";

const MESH = ["10.86.0.0/16", "fd86::/48"];
const options = (fields: Partial<Parameters<typeof forwardTable>[0]>) => ({
  interfaceName: "mesh0",
  mesh: MESH,
  exit: [],
  routes: [],
  snatRoutes: true,
  ...fields,
  spared: forwardedNetworks({ exit: fields.exit ?? [], routes: fields.routes ?? [] }, MESH).spared,
});

describe("our table of a host that forwards", () => {
  it("lets an exit lead to the internet in its families, and to no network that is not", () => {
    const text = forwardTable(options({ exit: ["ipv4"] }));
    expect(text).toContain("meta nfproto ipv4 accept\ndrop");
    expect(text).not.toContain("meta nfproto ipv6 accept");
    const spared = /ip daddr \{ (.*) \} drop/.exec(text)?.[1];
    for (const range of ["10.86.0.0/16", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8"])
      expect(spared).toContain(range);
    expect(text.indexOf("ip daddr")).toBeLessThan(text.indexOf("nfproto ipv4 accept"));
    expect(text).toContain("meta nfproto ipv4 masquerade");
  });

  it("lets networks behind it be reached before it spares them, with its own address or without", () => {
    const routes = ["192.168.50.0/24", "fd50::/64"];
    const text = forwardTable(options({ routes }));
    expect(text.indexOf("ip daddr { 192.168.50.0/24 } accept")).toBeLessThan(text.indexOf("drop\nip6 daddr"));
    expect(text).toContain("ip6 daddr { fd50::/64 } masquerade");
    expect(text).not.toMatch(/nfproto/);
    expect(forwardTable(options({ routes, snatRoutes: false, exit: ["ipv4"] }))).toMatch(
      /ip daddr \{ 192.168.50.0\/24 \} return\n.*\nmeta nfproto ipv4 masquerade/,
    );
  });
});

it("says the same in rules of iptables", () => {
  const rules = forwardRules(options({ exit: ["ipv4"], routes: ["192.168.50.0/24"] })).map(
    ({ tool, chain, words }) => `${tool} ${chain} ${words.join(" ")}`,
  );
  const at = (rule: string) => {
    expect(rules).toContain(rule);
    return rules.indexOf(rule);
  };
  const order = [
    "iptables FORWARD -i mesh0 -m conntrack --ctstate INVALID -j DROP",
    "iptables FORWARD -i mesh0 -o mesh0 -j DROP",
    "iptables FORWARD -i mesh0 -d 192.168.50.0/24 -j ACCEPT",
    "iptables FORWARD -i mesh0 -d 192.168.0.0/16 -j DROP",
    "iptables FORWARD -i mesh0 -j ACCEPT",
    "iptables POSTROUTING -s 10.86.0.0/16 ! -o mesh0 -d 192.168.50.0/24 -j MASQUERADE",
    "iptables POSTROUTING -s 10.86.0.0/16 ! -o mesh0 -j MASQUERADE",
    "ip6tables FORWARD -i mesh0 -j DROP",
  ].map(at);
  expect(order).toEqual(order.toSorted((a, b) => a - b));
  expect(rules.filter((rule) => rule.startsWith("ip6tables POSTROUTING"))).toEqual([]);
});
