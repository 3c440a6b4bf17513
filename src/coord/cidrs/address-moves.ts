import { MeshError } from "../../base/errors.ts";
import { parseAddress } from "../../packet/address.ts";
import { cidrContainsAddress, formatCidr, parseCidr } from "../../packet/cidr.ts";
import { type CidrPair, hostNumber } from "../addresses/address-plan.ts";
import type { CidrRow } from "../store/schema.ts";
import type { Writer } from "../store/store.ts";

/**
 * The addresses of former peers are not given to others, wherever the borders of the CIDRs come to lie: each belongs to
 * the narrowest CIDR around it, for good or while it rests.
 */

/**
 * A new CIDR takes over those in its range.
 * @throws MeshError `cidr-overlap` when its IPv6 range holds an address whose IPv4 twin lies elsewhere
 */
export async function adoptFormerAddresses({ db }: Writer, cidrId: number, { cidr4, cidr6 }: CidrPair): Promise<void> {
  const former = await db.selectFrom("addresses").selectAll().where("tombstoned_at", "is not", null).execute();
  for (const { ip4, ip6 } of former) {
    const address = parseAddress(ip4);
    if (cidrContainsAddress(cidr4, address)) {
      await db
        .updateTable("addresses")
        .set({ cidr_id: cidrId, host: hostNumber(cidr4, address) })
        .where("ip4", "=", ip4)
        .execute();
    } else if (cidrContainsAddress(cidr6, parseAddress(ip6))) {
      throw new MeshError("cidr-overlap", `${formatCidr(cidr6)} holds ${ip6}, once the address of a peer at ${ip4}`, {
        hint: "Choose another IPv6 range: that address is not given to anybody else.",
      });
    }
  }
}

/** A CIDR that goes leaves those in its range to its parent. */
export async function leaveFormerAddresses({ db }: Writer, cidr: CidrRow, parent: CidrRow): Promise<void> {
  const range = parseCidr(parent.cidr4);
  const former = await db.selectFrom("addresses").select("ip4").where("cidr_id", "=", cidr.id).execute();
  for (const { ip4 } of former) {
    await db
      .updateTable("addresses")
      .set({ cidr_id: parent.id, host: hostNumber(range, parseAddress(ip4)) })
      .where("ip4", "=", ip4)
      .execute();
  }
}
