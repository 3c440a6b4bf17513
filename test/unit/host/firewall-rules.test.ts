import { expect, it } from "vitest";
import type { CommandResult } from "../../../src/host/command.ts";
import { type FirewallRule, FirewallRules } from "../../../src/host/firewall/firewall-rules.ts";

const NFT: FirewallRule = {
  tool: "nft",
  family: "ip",
  table: "filter",
  chain: "DOCKER-USER",
  words: ["iifname", "mesh0", "accept"],
  tag: "mesh-exit-mesh0",
};
const IPTABLES: FirewallRule = { ...NFT, tool: "iptables", family: "", words: ["-i", "mesh0", "-j", "ACCEPT"] };

/** The programs on the host, as `answers` has them by the beginning of what is asked. */
function host(answers: Record<string, Partial<CommandResult> | "missing">) {
  const asked: string[] = [];
  const rules = new FirewallRules(async (program, args) => {
    const line = [program, ...args].join(" ");
    asked.push(line);
    const [, answer] = Object.entries(answers).find(([start]) => line.startsWith(start)) ?? [];
    if (answer === "missing") throw Object.assign(new Error("spawn"), { code: "ENOENT" });
    return { status: 0, stdout: "", stderr: "", ...answer };
  });
  return { asked, rules };
}

it("puts a rule at the head of a chain, by the program that its owner uses", async () => {
  const { asked, rules } = host({});
  await rules.insert(NFT);
  await rules.insert(IPTABLES);
  expect(asked).toEqual([
    'nft insert rule ip filter DOCKER-USER iifname mesh0 accept comment "mesh-exit-mesh0"',
    "iptables -w 5 -t filter -I DOCKER-USER -i mesh0 -j ACCEPT -m comment --comment mesh-exit-mesh0",
  ]);
});

it("takes its own away by their comment, and no others", async () => {
  const listed = [
    { chain: { name: "DOCKER-USER" } },
    { rule: { handle: 4, comment: "mesh-exit-mesh0" } },
    { rule: { handle: 5, comment: "somebody's" } },
    { rule: { handle: 6 } },
  ];
  const { asked, rules } = host({ "nft -j": { stdout: JSON.stringify({ nftables: listed }) } });
  await rules.remove(NFT);
  expect(asked.slice(1)).toEqual(["nft delete rule ip filter DOCKER-USER handle 4"]);
});

it("what is gone is as good as removed; what is refused is an error", async () => {
  const gone = host({ "nft -j": { status: 1, stderr: "Error: No such file or directory" } });
  await gone.rules.remove(NFT);
  const other = host({
    iptables: { status: 1, stderr: "iptables: Bad rule (does a matching rule exist in that chain?)." },
  });
  await other.rules.remove(IPTABLES);
  const refused = host({ nft: { status: 1, stderr: "Error: Operation not permitted" }, iptables: "missing" });
  await expect(refused.rules.insert(NFT)).rejects.toMatchObject({ code: "missing-capability" });
  await expect(refused.rules.insert(IPTABLES)).rejects.toMatchObject({ code: "missing-tool" });
  expect(await refused.rules.has("iptables")).toBe(false);
});

it("tells which of its own somebody else has taken away, by their tags and with one look at each table", async () => {
  const saved = "-A DOCKER-USER -i mesh0 -m comment --comment mesh-exit-mesh0 -j ACCEPT\n-A FORWARD -j DOCKER-USER\n";
  const listed = { nftables: [{ rule: { handle: 4, comment: "somebody's" } }] };
  const { asked, rules } = host({
    "iptables-save": { stdout: saved },
    "nft -j": { stdout: JSON.stringify(listed) },
  });
  const back = { ...IPTABLES, tag: "mesh-exit-mesh0-back" };
  const elsewhere = { ...IPTABLES, chain: "FORWARD" };
  expect(await rules.missing([NFT, IPTABLES, back, elsewhere])).toEqual([NFT, back, elsewhere]);
  expect(asked.filter((line) => line.startsWith("iptables"))).toEqual(["iptables-save -t filter"]);
});

it("finds the program of iptables that writes to a backend", async () => {
  const nft = { stdout: "iptables v1.8.9 (nf_tables)" };
  const debian = host({ "iptables --version": nft, "iptables-legacy": { stdout: "iptables v1.8.9 (legacy)" } });
  expect(await debian.rules.iptables("ip", "nf_tables")).toBe("iptables");
  expect(await debian.rules.iptables("ip", "legacy")).toBe("iptables-legacy");
  const old = host({ ip6tables: { stdout: "ip6tables v1.6.1" }, "ip6tables-nft": "missing" });
  expect(await old.rules.iptables("ip6", "legacy")).toBe("ip6tables");
  const none = host({ iptables: "missing" });
  expect(await none.rules.iptables("ip", "legacy")).toBeUndefined();
});
