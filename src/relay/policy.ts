/** Who a client of the relay is. */
export interface RelayPeer {
  /** For the log. */
  readonly name: string;
  /** By which others address it, base64. */
  readonly wireguardKey: string;
}

/** What a relay has to know of the network; it asks anew for every frame. */
export interface RelayPolicy {
  /** The peer with this machine key (Ed25519, base64, found sound at its registration); undefined for strangers and disabled peers. */
  identify(machineKey: string): RelayPeer | undefined;
  /** Whether these peers (WireGuard keys) see each other. Symmetric. */
  mayExchange(a: string, b: string): boolean;
  /** Calls back, in the same turn, when an answer to these questions may have changed. Returns the way to end it. */
  onPolicyChange(listener: () => void): () => void;
}
