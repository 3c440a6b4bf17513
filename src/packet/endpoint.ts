/** An underlay address as text (never a host name) with its UDP port: what the control thread works with. */
export interface Endpoint {
  /** IPv4 dotted quad or IPv6 in RFC 5952 form, with `%zone` for link-local addresses; never v4-mapped. */
  readonly address: string;
  readonly port: number;
  /** Which address of ours it speaks to, and so expects answers from; absent: the kernel chooses. */
  readonly localAddress?: string;
}
