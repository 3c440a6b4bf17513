import type { LabHost } from "./lab-host.ts";

/** Of `ip -j` and `nft -j`: what is another each time, or counts. */
const PASSING = new Set([
  "ifindex",
  "link_index",
  "handle",
  "valid_life_time",
  "preferred_life_time",
  "packets",
  "bytes",
]);

const SYSCTLS = "grep -rs . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf | sort";
const RESOLV_CONF = "ls -l /etc/resolv.conf | cut -d ' ' -f 1,3,4,9-; cat /etc/resolv.conf; ls -a /etc | grep resolv";

/** All that daemons of ours may change on a host, to be compared with what it was before. */
export async function hostState(host: LabHost): Promise<Record<string, unknown>> {
  const json = async (...command: string[]) =>
    lasting(JSON.parse((await host.must("sh", "-c", command.join(" "))) || "[]"));
  const text = (command: string) => host.must("sh", "-c", command);
  const [addresses, routes4, routes6, rules4, rules6, ruleset, sysctls, resolvConf] = await Promise.all([
    json("ip -j addr"),
    json("ip -j -4 route show table all"),
    json("ip -j -6 route show table all"),
    json("ip -j -4 rule"),
    json("ip -j -6 rule"),
    json("nft -j list ruleset"),
    text(SYSCTLS),
    text(RESOLV_CONF),
  ]);
  return { addresses, routes4, routes6, rules4, rules6, ruleset, sysctls, resolvConf };
}

function lasting(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(lasting);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([key]) => !PASSING.has(key));
  return Object.fromEntries(entries.map(([key, each]) => [key, lasting(each)]));
}
