import { readDns } from "./dns/dns-records.ts";
import { readRules } from "./filter/rule-records.ts";
import type { ChangeLog } from "./maps/change-log.ts";
import { type Peer, Registry } from "./registry.ts";
import type { Reader } from "./store/store.ts";

/** What the database says of peers and of who may reach whom. */
export async function readRegistry(reader: Reader, changes: ChangeLog<Peer>): Promise<Registry> {
  const cidrs = await reader.selectFrom("cidrs").selectAll().execute();
  const peers = await reader.selectFrom("peers").selectAll().execute();
  const associations = await reader.selectFrom("associations").selectAll().execute();
  const { domain } = await reader.selectFrom("network").select("domain").executeTakeFirstOrThrow();
  const dns = await readDns(reader);
  return new Registry(cidrs, peers, changes, associations, await readRules(reader), { domain, dns });
}
