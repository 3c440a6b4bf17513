/** From the specifications. */

export const DNS_PORT = 53;

/** RFC 1035 §4.1.1, RFC 6891 §9 for what needs EDNS. */
export const Rcode = {
  noError: 0,
  formErr: 1,
  servFail: 2,
  nxDomain: 3,
  notImp: 4,
  refused: 5,
  badVers: 16,
} as const;
export type Rcode = (typeof Rcode)[keyof typeof Rcode];

/** In the second word of the header. */
export const Flag = { qr: 0x8000, aa: 0x0400, tc: 0x0200, rd: 0x0100, ra: 0x0080, ad: 0x0020, cd: 0x0010 } as const;

export const HEADER_BYTES = 12;
/** What anybody takes over UDP (RFC 1035 §4.2.1). */
export const PLAIN_UDP_BYTES = 512;
export const MAX_MESSAGE_BYTES = 65_535;

/** Our own choices. */

/** Over UDP, so that nothing is fragmented (RFC 9715 §3). */
export const MAX_UDP_BYTES = 1232;
/** Of names in the mesh, and of there being none: a change shows within a second through caches too. */
export const MESH_TTL_SECONDS = 1;
/** Aliases of aliases that are followed. */
export const MAX_CHAIN = 8;
