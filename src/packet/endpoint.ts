/** An underlay address as text (never a host name) with its UDP port: what the control thread works with. */
export interface UdpEndpoint {
  /** IPv4 dotted quad or IPv6 in RFC 5952 form, with `%zone` for link-local addresses; never v4-mapped. */
  readonly address: string;
  readonly port: number;
  /** Which address of ours it speaks to, and so expects answers from; absent: the kernel chooses. */
  readonly localAddress?: string;
}

/** A way to one peer over a byte stream (SSH, a relay), by the number that the control thread gave it; 1 and up. */
export interface PipeEndpoint {
  readonly pipe: number;
}

/** Where a datagram goes to or came from. */
export type Endpoint = UdpEndpoint | PipeEndpoint;

export function isPipe(endpoint: Endpoint): endpoint is PipeEndpoint {
  return "pipe" in endpoint;
}

/** Whether both lead to the same place, by whichever of our own addresses. */
export function isSameRemote(a: Endpoint, b: Endpoint): boolean {
  if (isPipe(a) || isPipe(b)) return isPipe(a) && isPipe(b) && a.pipe === b.pipe;
  return a.address === b.address && a.port === b.port;
}

/** One word for whoever can be held to account for what comes from `endpoint`: a host, or the other end of a pipe. */
export function accountableSource(endpoint: Endpoint): string {
  return isPipe(endpoint) ? `pipe ${endpoint.pipe}` : endpoint.address;
}
