import type { LabHost } from "./lab-host.ts";

const TABLE = "mesh-lab-wall";

/** Which datagrams a wall swallows, as an nftables match. */
export const UDP_ALL = "meta l4proto udp";

/** Swallows what comes to `host` and matches, without a word to anybody: a path that has died silently. */
export async function raiseWall(host: LabHost, match: string = UDP_ALL): Promise<void> {
  const rules = `table inet ${TABLE} { chain incoming { type filter hook input priority -300; ${match} drop; }; }`;
  await host.must("nft", `add table inet ${TABLE}; delete table inet ${TABLE}; ${rules}`);
}

export async function dropWall(host: LabHost): Promise<void> {
  await host.must("nft", "delete", "table", "inet", TABLE);
}
