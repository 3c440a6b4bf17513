import type { NetworkFact } from "./rtnetlink.ts";

/** Of each subject; a host with more says the same thing twice now and then, and that is all. */
const MAX_KNOWN = 4096;

type Subject = NetworkFact["subject"];

/**
 * Tells changes from repetitions: the kernel announces an address again with every router advertisement, a link with
 * every scan of a radio, and a route whenever somebody sets it to what it is. Starts with nothing, so that a first word
 * about something counts as a change unless it says that it cannot be used yet.
 */
export class NetworkFacts {
  readonly #known: Record<Subject, Map<string, string | null>> = {
    link: new Map(),
    address: new Map(),
    route: new Map(),
  };
  readonly #ignored: ReadonlySet<number>;

  /** @param ignoredInterfaces indices: our own, and with it the routes into the mesh */
  constructor(ignoredInterfaces: readonly number[]) {
    this.#ignored = new Set(ignoredInterfaces);
  }

  /** Whether this is news. */
  note(fact: NetworkFact): boolean {
    if (this.#ignored.has(fact.interfaceIndex)) return false;
    const isNews = this.#isNews(fact);
    // With links and addresses routes go without a word about them (IPv4's do), and coming back they are news.
    if (isNews && fact.subject !== "route") this.#known.route.clear();
    return isNews;
  }

  /** Messages were lost: what was known may not be so any more. */
  forget(): void {
    for (const known of Object.values(this.#known)) known.clear();
  }

  #isNews({ subject, identity, state, isRemoval }: NetworkFact): boolean {
    const known = this.#known[subject];
    const before = known.get(identity);
    if (isRemoval) {
      known.delete(identity);
      return before !== null;
    }
    if (before === undefined && known.size >= MAX_KNOWN) known.clear();
    known.set(identity, state);
    // A link was there before we heard of it, and may have been in use; an address that is not ready yet has just come.
    if (before === undefined) return state !== null || subject === "link";
    return before !== state;
  }
}
