import { z } from "zod";
import type { LabHost } from "../lab/lab-host.ts";

const listing = z.object({
  nftables: z.array(z.object({ counter: z.object({ packets: z.number() }).optional() })),
});

let tables = 0;

export type Hook = "prerouting" | "input" | "forward" | "output" | "postrouting";

/**
 * Counts the packets that meet an nftables expression at a hook of `host`, and may drop them. Before connection tracking
 * and so before defragmentation.
 * @returns how many there were so far
 */
export async function countPackets(
  host: LabHost,
  hook: Hook,
  expression: string,
  verdict = "",
): Promise<() => Promise<number>> {
  const table = `watch${++tables}`;
  await host.must(
    "nft",
    `table inet ${table} {
       counter hits { }
       chain watching { type filter hook ${hook} priority -450; ${expression} counter name hits ${verdict}; }
     }`,
  );
  return async () => {
    const { nftables } = listing.parse(
      JSON.parse(await host.must("nft", "-j", "list", "counter", "inet", table, "hits")),
    );
    return nftables.find((item) => item.counter !== undefined)?.counter?.packets ?? 0;
  };
}
