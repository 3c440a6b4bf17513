/** What a slot holds. */
interface Closable {
  close(): Promise<void>;
}

export interface SessionSlotDeps<Session, Options> {
  readonly open: (options: Options) => Promise<Session>;
  readonly onChange: () => void;
}

/**
 * The one session of a daemon. Its starts and stops come one after the other; a stop that is asked for while a start is under
 * way, or waits, overtakes it at once: the session that has started by then is closed before anybody sees it.
 */
export class SessionSlot<Session extends Closable, Options> {
  readonly #deps: SessionSlotDeps<Session, Options>;
  #current: Session | undefined;
  #isStarting = false;
  /** Asked for, and not begun yet. */
  #awaitedStops = 0;

  constructor(deps: SessionSlotDeps<Session, Options>) {
    this.#deps = deps;
  }

  get current(): Session | undefined {
    return this.#current;
  }

  get state(): "off" | "starting" | "up" {
    if (this.#current !== undefined) return "up";
    return this.#isStarting ? "starting" : "off";
  }

  /** A stop waits for its turn: no start before it comes to anything. */
  overtake(): void {
    this.#awaitedStops += 1;
  }

  get isOvertaken(): boolean {
    return this.#awaitedStops > 0;
  }

  /** The turn of that stop has come. */
  catchUp(): void {
    this.#awaitedStops -= 1;
  }

  /** In the place of the session that is there, if one is. False where it was overtaken: there is none then. */
  async start(options: Options): Promise<boolean> {
    if (this.isOvertaken) return false;
    this.#isStarting = true;
    try {
      await this.stop();
      const session = await this.#deps.open(options);
      if (this.isOvertaken) {
        await session.close();
        return false;
      }
      this.#current = session;
      return true;
    } finally {
      this.#isStarting = false;
      this.#deps.onChange();
    }
  }

  async stop(): Promise<void> {
    const session = this.#current;
    this.#current = undefined;
    this.#deps.onChange();
    await session?.close();
  }
}
