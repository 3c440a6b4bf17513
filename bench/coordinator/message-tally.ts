export interface Tally {
  readonly messages: number;
  readonly sizeBytes: number;
}

/** What the coordinator sent, to all peers together, by the messages' type. */
export class MessageTally {
  #byType = new Map<string, Tally>();

  count(type: string, sizeBytes: number): void {
    const before = this.#byType.get(type) ?? { messages: 0, sizeBytes: 0 };
    this.#byType.set(type, { messages: before.messages + 1, sizeBytes: before.sizeBytes + sizeBytes });
  }

  /** What came since the last call. */
  take(): Record<string, Tally> {
    const taken = Object.fromEntries(this.#byType);
    this.#byType.clear();
    return taken;
  }
}
