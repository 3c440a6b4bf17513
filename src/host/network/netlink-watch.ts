import type { Clock } from "../../base/clock.ts";
import type { Logger } from "../../base/logger.ts";
import { NETLINK_ROUTE } from "../ffi/constants.ts";
import { interfaceIndex, interfaceName } from "../ffi/interface-index.ts";
import { ChangeBurst } from "./change-burst.ts";
import { InterfacePoll } from "./interface-poll.ts";
import { NetlinkSocket } from "./netlink-socket.ts";
import { NetworkFacts } from "./network-facts.ts";
import { type NetworkFact, parseRouteMessages } from "./rtnetlink.ts";

/** linux/rtnetlink.h: RTMGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR, _IPV6_ROUTE. */
const GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;
const BURST = { quietMs: 50, maxMs: 250, reports: 5, reportsPerSecond: 0.5 };
/** For people; the rest of a burst is mostly more of the same. */
const MAX_WORDS = 4;

export interface NetlinkWatchOptions {
  /** Ours: what happens to it, and to routes into it, is no change of the network. */
  readonly interfaceName: string;
}

export interface NetlinkWatchDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Links, addresses or routes of this host have changed; with the first few words about it. */
  readonly onChange: (what: readonly string[]) => void;
  /** Somebody has set our interface down, or up again. Not told where there is no netlink. */
  readonly onOwnLink?: (isUp: boolean) => void;
}

/** Watches this host's network through the kernel's own announcements; where there are none, by looking every 2 s. */
export class NetlinkWatch implements Disposable {
  readonly #options: NetlinkWatchOptions;
  readonly #deps: NetlinkWatchDeps;
  readonly #facts: NetworkFacts;
  readonly #ownIndex: number;
  #isOwnUp = true;
  readonly #burst: ChangeBurst;
  #source: Disposable;
  #words: string[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: NetlinkWatchOptions, deps: NetlinkWatchDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#ownIndex = interfaceIndex(options.interfaceName);
    this.#facts = new NetworkFacts([this.#ownIndex]);
    this.#burst = new ChangeBurst(BURST, deps.clock.monotonicMs());
    this.#source = this.#open();
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#source[Symbol.dispose]();
  }

  #open(): Disposable {
    try {
      return NetlinkSocket.open(
        { protocol: NETLINK_ROUTE, groups: GROUPS },
        {
          onDatagram: (datagram) => this.#take(parseRouteMessages(datagram)),
          onOverflow: () => this.#take(undefined),
          onFailure: (failure) => {
            this.#source[Symbol.dispose]();
            this.#source = this.#poll(failure);
            this.#note("what was missed");
          },
        },
      );
    } catch (failure) {
      return this.#poll(failure);
    }
  }

  #poll(failure: unknown): Disposable {
    this.#deps.logger.warn({ err: failure }, "no netlink here: changes of the network are looked for every 2 s");
    return new InterfacePoll(this.#options.interfaceName, () => this.#note("addresses"));
  }

  #take(facts: readonly NetworkFact[] | undefined): void {
    if (facts === undefined) {
      this.#facts.forget();
      this.#note("more than was told");
      return;
    }
    for (const fact of facts) {
      if (fact.subject === "link" && fact.interfaceIndex === this.#ownIndex) this.#noteOwnLink(fact);
      else if (this.#facts.note(fact)) this.#note(wordsOf(fact));
    }
  }

  #noteOwnLink({ state, isRemoval }: NetworkFact): void {
    const isUp = state !== null;
    if (isRemoval || isUp === this.#isOwnUp) return;
    this.#isOwnUp = isUp;
    this.#deps.onOwnLink?.(isUp);
  }

  #note(words: string): void {
    if (this.#isClosed) return;
    if (this.#words.length < MAX_WORDS) this.#words.push(words);
    this.#burst.note(this.#deps.clock.monotonicMs());
    this.#timer ??= this.#waitForEnd();
  }

  #waitForEnd(): NodeJS.Timeout {
    const waitMs = Math.max(0, this.#burst.dueAtMs - this.#deps.clock.monotonicMs());
    return setTimeout(() => {
      this.#timer = undefined;
      if (!this.#burst.take(this.#deps.clock.monotonicMs())) {
        this.#timer = this.#waitForEnd();
        return;
      }
      const words = this.#words;
      this.#words = [];
      this.#deps.onChange(words);
    }, waitMs);
  }
}

function wordsOf({ subject, identity, state, isRemoval, interfaceIndex: index }: NetworkFact): string {
  const [name] = subject === "link" ? [interfaceName(index)] : identity.split(" ");
  const what = `${subject} ${name}`;
  if (isRemoval) return `${what} gone`;
  if (subject === "route") return `${what} set`;
  return `${what} ${state ?? (subject === "link" ? "down" : "not ready")}`;
}
