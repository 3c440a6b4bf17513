import type { DnsAnswer, DnsStatus } from "../../api/local-dns.ts";
import type { DnsEntry, DnsServersEntry } from "../../api/network-dns.ts";
import { type Column, renderTable } from "./table.ts";

/** `mesh dns status`, for people. */
export function renderDnsStatus(status: DnsStatus): string {
  const { enabled, domain, listeners, peers, records, routes, host, servesPeers, cached } = status;
  const off = "this machine has no name server for the mesh: start it with --dns";
  if (!enabled && !servesPeers) return off;
  const lines = listeners.map(({ address, port, problem }) =>
    problem === null
      ? `answers at ${address} port ${port}, UDP and TCP`
      : `does not answer at ${address}: ${problem}; it is tried again by itself`,
  );
  if (enabled) {
    lines.push(hostLine(host));
    lines.push(`names below ${domain}: ${peers} of peers, ${records} records`);
  } else {
    lines.push(`for itself, ${off}`);
  }
  lines.push(`answers of others kept: ${cached}`);
  if (servesPeers) lines.push("peers whose exit this machine is have other names looked up here");
  const ownRoute = {
    suffix: domain,
    servers: ["this machine"],
    reason: "names of the mesh",
    skipped: [],
    unanswered: [],
  };
  const table = renderTable(
    [
      { title: "NAMES", cell: ({ suffix }) => suffix ?? "all others" },
      { title: "ARE ASKED OF", cell: ({ servers }) => (servers.length === 0 ? "nobody" : servers.join(", ")) },
      { title: "BECAUSE THESE ARE", cell: ({ reason }) => reason },
      {
        title: "LEFT OUT",
        cell: ({ skipped }) => (skipped.length === 0 ? "" : `${skipped.join(", ")} (this machine)`),
      },
      {
        title: "DID NOT ANSWER",
        cell: ({ unanswered }) => unanswered.map(({ server, problem }) => `${server} (${problem})`).join(", "),
      },
    ],
    [...(enabled ? [ownRoute] : []), ...routes],
  );
  return `${lines.join("\n")}\n\n${table}`;
}

function hostLine({ manager, inForce, reason }: DnsStatus["host"]): string {
  if (!inForce) return `this host's programs do not ask here: ${reason}`;
  return `this host's programs ask here, by ${manager}: ${reason}`;
}

/** `mesh dns query`, for people. */
export function renderDnsAnswers(replies: readonly DnsAnswer[]): string {
  return replies.map(renderAnswer).join("\n\n");
}

function renderAnswer({ name, type, rcode, answers, by, server, reason, elapsedMs }: DnsAnswer): string {
  const who = {
    mesh: "this machine, for the mesh",
    server: `the server ${server}`,
    cache: `what the server ${server} said before`,
    none: `nobody: ${reason}`,
  }[by];
  const head = `${name} ${type}: ${rcode}, by ${who}, in ${elapsedMs} ms`;
  if (answers.length === 0) return head;
  const columns: Column<(typeof answers)[number]>[] = [
    { title: "NAME", cell: (answer) => answer.name },
    { title: "TTL", cell: ({ ttlSeconds }) => String(ttlSeconds), align: "right" },
    { title: "TYPE", cell: (answer) => answer.type },
    { title: "DATA", cell: ({ data }) => data },
  ];
  return `${head}\n${renderTable(columns, answers)}`;
}

/** `mesh dns records`, for people. */
export function renderDnsRecords(records: readonly DnsEntry[]): string {
  if (records.length === 0) return "no records";
  const table = renderTable(
    [
      { title: "NAME", cell: ({ name }) => name },
      { title: "TYPE", cell: ({ type }) => type },
      { title: "DATA", cell: ({ data }) => data },
      { title: "TTL", cell: ({ ttlSeconds }) => (ttlSeconds === null ? "-" : String(ttlSeconds)), align: "right" },
      { title: "PEER", cell: ({ peer }) => peer ?? "-" },
    ],
    records,
  );
  const notes = records.flatMap(({ name, type, note }) =>
    note === null ? [] : [`${name} ${type} is told to nobody: ${note}`],
  );
  return notes.length === 0 ? table : `${table}\n\n${notes.join("\n")}`;
}

/** `mesh dns servers`, for people. */
export function renderDnsServers(entries: readonly DnsServersEntry[]): string {
  if (entries.length === 0) return "none: each machine asks its own";
  return renderTable(
    [
      { title: "NAMES", cell: ({ suffix }) => suffix ?? "all others" },
      { title: "SERVERS", cell: ({ servers }) => (servers.length === 0 ? "each machine's own" : servers.join(", ")) },
    ],
    entries,
  );
}
