import type { Clock } from "../../base/clock.ts";
import { ClockJumps } from "../../base/clock-jump.ts";
import type { Logger } from "../../base/logger.ts";
import { bootTimeMs } from "../../host/ffi/boot-time.ts";
import { NetlinkWatch, type NetlinkWatchOptions } from "../../host/network/netlink-watch.ts";

const CLOCK_INTERVAL_MS = 1000;

const JUMP_TEXT = {
  slept: "this machine slept",
  stopped: "this process did not run",
  set: "the clock was set ahead",
} as const;

export interface NetworkWatchDeps {
  readonly clock: Clock;
  /** Milliseconds since boot, sleep included; the system's unless another is given. */
  readonly bootMs?: () => number;
  readonly logger: Logger;
  /** This machine is in another network than before, or may be; `sleptMs` is 0 unless it slept. */
  readonly onChange: (change: { readonly sleptMs: number }) => void;
  /** See `NetlinkWatchDeps`. */
  readonly onOwnLink?: (isUp: boolean) => void;
}

/** Tells when nothing that was known of the network counts any more: it changed under us, or we were away meanwhile. */
export class NetworkWatch implements Disposable {
  readonly #deps: NetworkWatchDeps;
  readonly #netlink: NetlinkWatch;
  readonly #jumps: ClockJumps;
  readonly #timer: NodeJS.Timeout;

  constructor(options: NetlinkWatchOptions, deps: NetworkWatchDeps) {
    const { clock, logger, onChange, onOwnLink } = deps;
    this.#deps = deps;
    this.#netlink = new NetlinkWatch(options, {
      clock,
      logger,
      ...(onOwnLink === undefined ? {} : { onOwnLink }),
      onChange: (what) => {
        logger.info({ what }, "the network changed");
        onChange({ sleptMs: 0 });
      },
    });
    this.#jumps = new ClockJumps(this.#readClocks());
    this.#timer = setInterval(() => this.#lookAtClocks(), CLOCK_INTERVAL_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#netlink[Symbol.dispose]();
  }

  #lookAtClocks(): void {
    const jump = this.#jumps.observe(this.#readClocks());
    if (jump === undefined) return;
    this.#deps.logger.info({ seconds: Math.round(jump.ms / 1000) }, JUMP_TEXT[jump.kind]);
    this.#deps.onChange({ sleptMs: jump.kind === "slept" ? jump.ms : 0 });
  }

  #readClocks() {
    const { clock, bootMs = bootTimeMs } = this.#deps;
    return { monotonicMs: clock.monotonicMs(), bootMs: bootMs(), wallMs: clock.wallMs() };
  }
}
