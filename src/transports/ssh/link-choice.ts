/** Of several open connections to one peer, what the choice between them rests on. */
export interface LinkView {
  readonly isDialled: boolean;
  /** The other end has said that it sends no more here. */
  readonly isRemoteEnded: boolean;
  /** Grows with every connection that opens. */
  readonly serial: number;
  /** When it opened, `Clock.monotonicMs`. */
  readonly openedMs: number;
}

/** Nobody dials who has a connection: one that opens later than this was made by an end that has lost the earlier one. */
const AT_ONCE_MS = 1000;

/**
 * The connection to send on, the same seen from both ends: when both dialled at once, the one that the peer with the smaller
 * machine key dialled; of others the newest. One that the other end is leaving serves while there is no other.
 */
export function chooseLink<T extends LinkView>(links: readonly T[], isOurKeySmaller: boolean): T | undefined {
  let best: T | undefined;
  for (const link of links) if (best === undefined || isBetter(link, best, isOurKeySmaller)) best = link;
  return best;
}

function isBetter(a: LinkView, b: LinkView, isOurKeySmaller: boolean): boolean {
  if (a.isRemoteEnded !== b.isRemoteEnded) return b.isRemoteEnded;
  const wereMadeAtOnce = Math.abs(a.openedMs - b.openedMs) <= AT_ONCE_MS;
  if (wereMadeAtOnce && a.isDialled !== b.isDialled) return a.isDialled === isOurKeySmaller;
  return a.serial > b.serial;
}
