interface TransportTraits {
  /** What people call it, in the middle of a sentence. */
  readonly title: string;
  /**
   * How a path by it comes to be, which is all that path selection knows of it. `punched`: the data thread's own socket
   * sends, and both ends do so at once; UDP alone. `dialled`: a pipe that connects while it is wanted, where nothing better
   * works. `standing`: a pipe that is kept ready whatever else works, and by which a pair that sleeps is woken.
   */
  readonly setup: "punched" | "dialled" | "standing";
}

/**
 * What carries WireGuard messages from peer to peer, in the order in which it is used where nobody says otherwise. Types,
 * messages and path selection follow from this list (docs/architecture.md, "Adding a transport").
 */
export const TRANSPORTS = {
  udp: { title: "UDP", setup: "punched" },
  ssh: { title: "SSH", setup: "dialled" },
  relay: { title: "relay", setup: "standing" },
} as const satisfies Record<string, TransportTraits>;

export type TransportName = keyof typeof TRANSPORTS;

/** Those whose sockets live in the control thread. */
export type PipeTransportName = Exclude<TransportName, "udp">;

export const TRANSPORT_NAMES = Object.keys(TRANSPORTS) as readonly TransportName[];

export function setupOf(transport: TransportName): TransportTraits["setup"] {
  return TRANSPORTS[transport].setup;
}

/** `udp, ssh or relay`, with `more` behind them. */
export function transportsInWords(conjunction: "and" | "or", ...more: readonly string[]): string {
  const names = [...TRANSPORT_NAMES, ...more];
  return `${names.slice(0, -1).join(", ")} ${conjunction} ${names.at(-1)}`;
}
