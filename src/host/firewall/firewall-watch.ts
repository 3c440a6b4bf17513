import type { Clock } from "../../base/clock.ts";
import type { Logger } from "../../base/logger.ts";
import { NETLINK_NETFILTER } from "../ffi/constants.ts";
import { ChangeBurst } from "../network/change-burst.ts";
import { NetlinkSocket } from "../network/netlink-socket.ts";
import { hasLegacyTables } from "./host-firewall.ts";
import { tellsOfRules } from "./nftables-events.ts";

/** `NFNLGRP_NFTABLES` of linux/netfilter/nfnetlink.h, as a bit. */
const GROUPS = 1 << (7 - 1);
/** A host whose rules change all the time, or another program that takes ours away each time, is looked at so often. */
const BURST = { quietMs: 50, maxMs: 250, reports: 5, reportsPerSecond: 0.1 };
/** The older iptables tells nobody. */
const LOOK_INTERVAL_MS = 20_000;

export interface FirewallWatchDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Somebody, we ourselves maybe, has changed the firewall, or may have. */
  readonly onChange: () => void;
}

/** Watches this host's firewall: nftables (iptables-nft in it) by the kernel's announcements, the older iptables by the clock. */
export class FirewallWatch implements Disposable {
  readonly #deps: FirewallWatchDeps;
  readonly #burst: ChangeBurst;
  readonly #looks: NodeJS.Timeout;
  #socket: Disposable | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: FirewallWatchDeps) {
    this.#deps = deps;
    this.#burst = new ChangeBurst(BURST, deps.clock.monotonicMs());
    this.#socket = this.#open();
    this.#looks = setInterval(() => void this.#look(), LOOK_INTERVAL_MS);
    // What came before we listened.
    this.#note();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#looks);
    clearTimeout(this.#timer);
    this.#socket?.[Symbol.dispose]();
  }

  #open(): Disposable | undefined {
    const lost = (failure: unknown) => {
      this.#deps.logger.warn({ err: failure }, `the firewall is looked at every ${LOOK_INTERVAL_MS / 1000} s only`);
    };
    try {
      return NetlinkSocket.open(
        { protocol: NETLINK_NETFILTER, groups: GROUPS },
        {
          onDatagram: (datagram) => {
            if (tellsOfRules(datagram)) this.#note();
          },
          onOverflow: () => this.#note(),
          onFailure: (failure) => {
            lost(failure);
            this.#socket?.[Symbol.dispose]();
            this.#socket = undefined;
          },
        },
      );
    } catch (failure) {
      lost(failure);
      return undefined;
    }
  }

  async #look(): Promise<void> {
    if (this.#socket === undefined || (await hasLegacyTables())) this.#note();
  }

  #note(): void {
    this.#burst.note(this.#deps.clock.monotonicMs());
    this.#timer ??= this.#waitForEnd();
  }

  #waitForEnd(): NodeJS.Timeout {
    const waitMs = Math.max(0, this.#burst.dueAtMs - this.#deps.clock.monotonicMs());
    return setTimeout(() => {
      this.#timer = undefined;
      if (this.#burst.take(this.#deps.clock.monotonicMs())) this.#deps.onChange();
      else this.#timer = this.#waitForEnd();
    }, waitMs);
  }
}
