/**
 * The text of iptables-save(8) as the objects that `nft -j list ruleset` (libnftables-json(5)) would have for it: what can be
 * said of a packet is said of both by the same code. Matches that are not known here become ones that may fit.
 */
export function rulesetOfSave(text: string, family: "ip" | "ip6"): object[] {
  const objects: object[] = [];
  let table = "";
  const counts = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [first = "", ...rest] = saveWords(line);
    if (first.startsWith("*")) {
      table = first.slice(1);
      counts.clear();
    } else if (first.startsWith(":")) {
      objects.push({ chain: chainOf(first.slice(1), rest[0] ?? "-", table, family) });
    } else if (first === "-A") {
      const [chain = "", ...words] = rest;
      // As `iptables -L --line-numbers` counts.
      const handle = (counts.get(chain) ?? 0) + 1;
      counts.set(chain, handle);
      objects.push({ rule: { family, table, chain, handle, expr: statementsOf(words, family) } });
    }
  }
  return objects;
}

/** The words of a line; quotes are for blanks within one. */
export function saveWords(line: string): string[] {
  return [...line.matchAll(/"((?:\\.|[^"\\])*)"|(\S+)/g)].map(([, quoted, plain]) =>
    quoted === undefined ? plain! : quoted.replace(/\\(.)/g, "$1"),
  );
}

/** Of the tables' base chains (`enum nf_ip_hook_priorities`). */
const PRIORITIES: Readonly<Record<string, number>> = { raw: -300, mangle: -150, filter: 0, security: 50 };
const SOURCE_NAT = ["POSTROUTING", "INPUT"];

function chainOf(name: string, policy: string, table: string, family: "ip" | "ip6"): object {
  if (policy === "-") return { family, table, name };
  const prio = PRIORITIES[table] ?? (SOURCE_NAT.includes(name) ? 100 : -100);
  return { family, table, name, hook: name.toLowerCase(), prio, policy: policy.toLowerCase() };
}

/** Targets after which the next rule is asked. */
const GOES_ON = new Set(["LOG", "NFLOG", "MARK", "CONNMARK", "TCPMSS", "DSCP", "CT", "NOTRACK", "SET", "TRACE"]);

interface Option {
  readonly name: string;
  readonly isNegated: boolean;
  readonly values: readonly string[];
}

function statementsOf(words: readonly string[], family: "ip" | "ip6"): object[] {
  const options = optionsOf(words);
  const target = options.findIndex(({ name }) => name === "-j" || name === "-g");
  const matches = target < 0 ? options : options.slice(0, target);
  return [
    ...matches.flatMap((option) => matchOf(option, family)),
    ...(target < 0 ? [] : [verdictOf(options[target]!)]),
  ];
}

function optionsOf(words: readonly string[]): Option[] {
  const options: Option[] = [];
  for (let at = 0; at < words.length; ) {
    const isNegated = words[at] === "!";
    if (isNegated) at++;
    const name = words[at++] ?? "";
    const start = at;
    while (at < words.length && words[at] !== "!" && !words[at]!.startsWith("-")) at++;
    options.push({ name, isNegated, values: words.slice(start, at) });
  }
  return options;
}

function verdictOf({ name, values: [target = ""] }: Option): object {
  if (name === "-g") return { goto: { target } };
  switch (target) {
    case "ACCEPT":
    case "DROP":
    case "REJECT":
    case "RETURN":
      return { [target.toLowerCase()]: null };
    default:
      return GOES_ON.has(target) ? { log: null } : { jump: { target } };
  }
}

function matchOf({ name, isNegated, values }: Option, family: "ip" | "ip6"): object[] {
  const [value = ""] = values;
  const is = (left: object, right: unknown) => [{ match: { op: isNegated ? "!=" : "==", left, right } }];
  switch (name) {
    case "-m":
    case "--comment":
      return [];
    case "-i":
      return is({ meta: { key: "iifname" } }, value.replace(/\+$/, "*"));
    case "-o":
      return is({ meta: { key: "oifname" } }, value.replace(/\+$/, "*"));
    case "-s":
      return is({ payload: { protocol: family, field: "saddr" } }, networkOf(value));
    case "-d":
      return is({ payload: { protocol: family, field: "daddr" } }, networkOf(value));
    case "-p":
      return is({ meta: { key: "l4proto" } }, value);
    case "--dport":
    case "--dports":
      return is({ payload: { protocol: "th", field: "dport" } }, { set: value.split(",").map(portsOf) });
    case "--ctstate":
    case "--state":
      return is({ ct: { key: "state" } }, { set: value.toLowerCase().split(",") });
    default:
      return is({ unknown: name }, value);
  }
}

function networkOf(text: string): unknown {
  const [addr, len] = text.split("/");
  return len === undefined ? addr : { prefix: { addr, len: Number(len) } };
}

function portsOf(text: string): unknown {
  const [first, last] = text.split(":");
  return last === undefined ? Number(first) : { range: [Number(first), Number(last)] };
}
