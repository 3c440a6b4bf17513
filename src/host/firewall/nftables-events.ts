/**
 * What the kernel announces of changes to nftables (linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h):
 *
 *     nlmsghdr   | length u32 | message u8 | subsystem u8 | flags u16 | sequence u32 | port u32 | nfgenmsg …
 */
const HEADER_BYTES = 16;
const NFNL_SUBSYS_NFTABLES = 10;
/** `NFT_MSG_NEWTABLE`, `_DELTABLE`, `_NEWCHAIN`, `_DELCHAIN`, `_NEWRULE`, `_DELRULE`. Elements of sets come and go all the time. */
const TOLD_OF = new Set([0, 2, 3, 5, 6, 8]);

/** Whether a datagram tells of a table, a chain or a rule that came or went. Never throws. */
export function tellsOfRules(datagram: Buffer): boolean {
  for (let at = 0; at + HEADER_BYTES <= datagram.length; ) {
    const length = datagram.readUInt32LE(at);
    if (length < HEADER_BYTES) return false;
    if (datagram[at + 5] === NFNL_SUBSYS_NFTABLES && TOLD_OF.has(datagram[at + 4]!)) return true;
    at += (length + 3) & ~3;
  }
  return false;
}
