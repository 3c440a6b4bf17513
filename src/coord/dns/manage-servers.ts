import { dnsNameSchema, dnsServerSchema, MAX_DNS_SPLITS } from "../../api/dns-record.ts";
import type { DnsServersEntry, DnsServersSet } from "../../api/network-dns.ts";
import { MeshError } from "../../base/errors.ts";
import { quote } from "../../base/quote.ts";
import { isReachableAddress } from "../../packet/reachable-address.ts";
import type { Registry } from "../registry.ts";
import { recordEvent } from "../store/audit.ts";
import type { Writer } from "../store/store.ts";
import { applyDns, type DnsChange, EVERY_NAME } from "./dns-records.ts";

/** Those for all names first, then by suffix. */
export function listServers({ dns }: Registry): DnsServersEntry[] {
  const general = dns.servers.length === 0 ? [] : [{ suffix: null, servers: [...dns.servers] }];
  return [...general, ...dns.splits.map(({ suffix, servers }) => ({ suffix, servers: [...servers] }))];
}

/** Whom all peers ask for names below a suffix, beside what is said of others. @throws MeshError `bad-dns-server`, `dns-full` */
export async function setServers(writer: Writer, request: DnsServersSet, change: DnsChange): Promise<DnsServersEntry> {
  const { registry, actor, nowMs } = change;
  const suffix = request.suffix === null ? EVERY_NAME : parseSuffix(request.suffix, registry.domain);
  const servers = [...new Set(request.servers)];
  for (const server of servers) requireUsable(server);
  const before = await writer.db.selectFrom("dns_servers").selectAll().where("suffix", "=", suffix).executeTakeFirst();
  const entry = { suffix: request.suffix === null ? null : suffix, servers };
  const was: string[] = before === undefined ? [] : JSON.parse(before.servers);
  if (JSON.stringify(was) === JSON.stringify(servers)) return entry;
  if (before === undefined && suffix !== EVERY_NAME && registry.dns.splits.length >= MAX_DNS_SPLITS) {
    throw new MeshError("dns-full", `${MAX_DNS_SPLITS} suffixes are all that can have servers of their own`);
  }
  await writer.db.deleteFrom("dns_servers").where("suffix", "=", suffix).execute();
  if (servers.length > 0) {
    await writer.db
      .insertInto("dns_servers")
      .values({ suffix, servers: JSON.stringify(servers) })
      .execute();
  }
  const subject = suffix === EVERY_NAME ? "." : suffix;
  await recordEvent(writer, nowMs, {
    actor,
    action: "dns.servers",
    subject,
    before: { servers: was },
    after: { servers },
  });
  await applyDns(writer, registry);
  return entry;
}

function parseSuffix(written: string, domain: string): string {
  const parsed = dnsNameSchema.safeParse(written.replace(/^\./, ""));
  if (!parsed.success)
    throw new MeshError("bad-dns-server", `${quote(written)} is no suffix: ${parsed.error.issues[0]?.message}`);
  const suffix = parsed.data;
  if (suffix === domain || suffix.endsWith(`.${domain}`)) {
    throw new MeshError("bad-dns-server", `names below ${domain} are the network's own, and are asked of nobody`);
  }
  return suffix;
}

function requireUsable(server: string): void {
  const parsed = dnsServerSchema.safeParse(server);
  if (!parsed.success)
    throw new MeshError("bad-dns-server", `${quote(server)} is not ${parsed.error.issues[0]?.message}`);
  if (isReachableAddress(server.split("#")[0]!, [])) return;
  throw new MeshError("bad-dns-server", `a peer that asks ${server} asks itself, or nobody`);
}
