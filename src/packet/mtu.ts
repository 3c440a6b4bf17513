/** RFC 8200 §5: every link carries IPv6 packets of this size, if in fragments of its own. */
export const IPV6_MIN_MTU_BYTES = 1280;
