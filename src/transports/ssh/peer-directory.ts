import { type KeyObject, verify } from "node:crypto";
import { machinePublicKey, sshPublicKey } from "./machine-key.ts";
import type { SshPeer } from "./options.ts";

/** A peer with its machine key in the forms that SSH compares. */
export interface KnownPeer extends SshPeer {
  /** As it stands on the wire. */
  readonly sshKey: Buffer;
}

interface Entry {
  readonly peer: KnownPeer;
  readonly verifyKey: KeyObject;
}

/** Whom we may speak to at the moment, and by which keys. */
export class PeerDirectory {
  readonly #own: string;
  #byPublicKey = new Map<string, Entry>();
  #bySshKey = new Map<string, Entry>();

  /** @param ownMachineKey never somebody else, whatever a map says */
  constructor(ownMachineKey: string) {
    this.#own = ownMachineKey;
  }

  /**
   * Makes `peers` the only ones. Returns those that are gone, as they were, also for having another machine key now.
   * @throws MeshError `bad-key`, and nothing has changed
   */
  replace(peers: Iterable<SshPeer>): readonly KnownPeer[] {
    const byPublicKey = new Map<string, Entry>();
    const bySshKey = new Map<string, Entry>();
    for (const peer of peers) {
      if (peer.machineKey === this.#own) continue;
      const before = this.#byPublicKey.get(peer.publicKey);
      const isSameKey = before?.peer.machineKey === peer.machineKey;
      const sshKey = isSameKey ? before.peer.sshKey : sshPublicKey(peer.machineKey);
      const verifyKey = isSameKey ? before.verifyKey : machinePublicKey(peer.machineKey);
      const entry = { peer: { ...peer, sshKey }, verifyKey };
      byPublicKey.set(peer.publicKey, entry);
      bySshKey.set(sshKey.toString("base64"), entry);
    }
    const gone = [...this.#byPublicKey.values()]
      .map(({ peer }) => peer)
      .filter((peer) => byPublicKey.get(peer.publicKey)?.peer.machineKey !== peer.machineKey);
    this.#byPublicKey = byPublicKey;
    this.#bySshKey = bySshKey;
    return gone;
  }

  byPublicKey(publicKey: string): KnownPeer | undefined {
    return this.#byPublicKey.get(publicKey)?.peer;
  }

  /** @param sshKey as it stands on the wire */
  bySshKey(sshKey: Buffer): KnownPeer | undefined {
    return this.#bySshKey.get(sshKey.toString("base64"))?.peer;
  }

  /** Whether the machine key `sshKey` is a peer's and made `signature` over `signed`. */
  isSignedBy(sshKey: Buffer, signed: Buffer, signature: Buffer): boolean {
    const entry = this.#bySshKey.get(sshKey.toString("base64"));
    return entry !== undefined && verify(null, signed, entry.verifyKey, signature);
  }
}
