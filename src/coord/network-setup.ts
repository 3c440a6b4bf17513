import { randomBytes, randomUUID } from "node:crypto";
import type { NetworkInfo } from "../api/network-map.ts";
import { nameSchema } from "../api/primitives.ts";
import { domainSchema } from "../api/server-config.ts";
import { MeshError } from "../base/errors.ts";
import { canonicalCidr, formatCidr } from "../packet/cidr.ts";
import { type CidrPair, firstCidrs, parseNetwork } from "./addresses/address-plan.ts";
import { type Authority, createAuthority } from "./certificates/ca.ts";
import type { CoordinatorOptions } from "./options.ts";
import { recordEvent } from "./store/audit.ts";
import type { NetworkRow } from "./store/schema.ts";
import type { Store, Writer } from "./store/store.ts";

const DEFAULT_NETWORK_NAME = "mesh";
const DEFAULT_NETWORK_CIDR4 = "10.86.0.0/16";

export interface NetworkIdentity {
  readonly network: NetworkInfo;
  readonly authority: Authority;
}

type NetworkOptions = Pick<CoordinatorOptions, "name" | "domain" | "networkCidr4" | "networkCidr6">;

/**
 * The network that this home holds; made in one transaction when it holds none.
 * @throws MeshError `bad-config` when an option contradicts what the first run fixed; `bad-name`, `bad-cidr`,
 *   `store-damaged`
 */
export async function openNetwork(store: Store, options: NetworkOptions, nowMs: number): Promise<NetworkIdentity> {
  const row = await store.reader.selectFrom("network").selectAll().executeTakeFirst();
  if (row === undefined) return createNetwork(store, options, nowMs);
  requireUnchanged(row, options);
  const authority = await store.reader
    .selectFrom("authorities")
    .selectAll()
    .where("retired_at", "is", null)
    .orderBy("created_at", "desc")
    .executeTakeFirst();
  if (authority === undefined) throw new MeshError("store-damaged", "the database has lost the CA");
  return {
    network: networkInfo(row),
    authority: {
      certificatePem: authority.certificate_pem,
      privateKeyPem: authority.private_key_pem,
      fingerprint: authority.fingerprint,
      notAfterMs: authority.not_after,
    },
  };
}

async function createNetwork(store: Store, options: NetworkOptions, nowMs: number): Promise<NetworkIdentity> {
  const name = options.name ?? DEFAULT_NETWORK_NAME;
  if (!nameSchema.safeParse(name).success) throw new MeshError("bad-name", "the network's name is not valid");
  const domain = options.domain ?? DEFAULT_NETWORK_NAME;
  if (!domainSchema.safeParse(domain).success) throw new MeshError("bad-config", "the domain is not valid");
  const ranges = parseNetwork(options.networkCidr4 ?? DEFAULT_NETWORK_CIDR4, options.networkCidr6 ?? randomUla());
  const authority = await createAuthority(name, nowMs);
  const row: NetworkRow = {
    id: 1,
    network_id: randomUUID(),
    name,
    domain,
    cidr4: formatCidr(ranges.cidr4),
    cidr6: formatCidr(ranges.cidr6),
    map_version_ceiling: 1,
    created_at: nowMs,
  };
  await store.write(async (writer) => {
    await writer.db.insertInto("network").values(row).execute();
    await writer.db
      .insertInto("authorities")
      .values({
        fingerprint: authority.fingerprint,
        certificate_pem: authority.certificatePem,
        private_key_pem: authority.privateKeyPem,
        not_after: authority.notAfterMs,
        created_at: nowMs,
        retired_at: null,
      })
      .execute();
    await insertFirstCidrs(writer, ranges, nowMs);
    await recordEvent(writer, nowMs, {
      actor: "coordinator",
      action: "network.create",
      subject: name,
      after: { ...networkInfo(row), caFingerprint: authority.fingerprint },
    });
  });
  return { network: networkInfo(row), authority };
}

async function insertFirstCidrs(writer: Writer, root: CidrPair, nowMs: number): Promise<void> {
  const insert = async (name: string, role: "root" | "infra" | "default", pair: CidrPair, parentId: number | null) => {
    const { id } = await writer.db
      .insertInto("cidrs")
      .values({
        name,
        cidr4: formatCidr(pair.cidr4),
        cidr6: formatCidr(pair.cidr6),
        parent_id: parentId,
        enabled: 1,
        role,
        next_host: 1,
        created_at: nowMs,
      })
      .returning("id")
      .executeTakeFirstOrThrow();
    return id;
  };
  const { infra, members } = firstCidrs(root);
  const rootId = await insert("root", "root", root, null);
  await insert("infra", "infra", infra, rootId);
  await insert("members", "default", members, rootId);
}

/** What a network is called and where it lies is in every peer's hands after the first run. */
function requireUnchanged(row: NetworkRow, options: NetworkOptions): void {
  const pairs: [what: string, given: string | undefined, fixed: string][] = [
    ["name", options.name, row.name],
    ["domain", options.domain, row.domain],
    ["IPv4 range", options.networkCidr4 && canonicalCidr(options.networkCidr4), row.cidr4],
    ["IPv6 range", options.networkCidr6 && canonicalCidr(options.networkCidr6), row.cidr6],
  ];
  for (const [what, given, fixed] of pairs) {
    if (given !== undefined && given !== fixed) {
      throw new MeshError(
        "bad-config",
        `the network's ${what} is ${fixed} since the first run, and cannot become ${given}`,
        {
          hint: "Leave the option out, or use another `--home` for another network.",
        },
      );
    }
  }
}

/** A /48 of RFC 4193 §3.2: fd, then 40 random bits. */
function randomUla(): string {
  const address = new Uint8Array(16);
  address.set(randomBytes(5), 1);
  address[0] = 0xfd;
  return formatCidr({ address, prefixBits: 48 });
}

function networkInfo(row: NetworkRow): NetworkInfo {
  return { id: row.network_id, name: row.name, domain: row.domain, cidr4: row.cidr4, cidr6: row.cidr6 };
}
