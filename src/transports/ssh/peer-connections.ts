import { Backoff } from "../../base/backoff.ts";
import type { Clock } from "../../base/clock.ts";
import type { Logger } from "../../base/logger.ts";
import type { DialAttempt } from "../../host/dial-race.ts";
import { chooseLink } from "./link-choice.ts";
import type { SshTimings } from "./options.ts";
import { type DialContext, PeerDial } from "./peer-dial.ts";
import type { KnownPeer } from "./peer-directory.ts";
import { type LinkContext, type OpenedConnection, SshLink } from "./ssh-link.ts";

export interface PeerConnectionsContext {
  readonly peer: () => KnownPeer | undefined;
  /** Whether our machine key is the smaller one of the two. */
  readonly isOurKeySmaller: boolean;
  readonly link: Omit<LinkContext, "onRemoteEnd" | "onClose">;
  readonly dial: DialContext;
  readonly timings: SshTimings;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The link that datagrams go by is another one now, or none. */
  readonly onChange: () => void;
}

/** A connection that lived as long shows that the next one is worth having at once. */
const STEADY_MS = 10_000;
/** One in use, and others that are being left. */
const MAX_LINKS = 4;
/** Who accepted waits longer: while who dialled wants the connection, it says so by keeping it. */
const ACCEPTED_IDLE_FACTOR = 3;

const TAKEN_OVER = "another connection to this peer took over";

/**
 * All that we have with one peer: connections in use and on their way out, a dial, a wait for the next one. There is one
 * connection in the end, whoever dialled: where both did, both ends choose the same (`chooseLink`) and leave the other
 * without loss.
 */
export class PeerConnections {
  readonly #context: PeerConnectionsContext;
  readonly #links = new Set<SshLink>();
  readonly #backoff: Backoff;
  #current: SshLink | undefined;
  #dial: PeerDial | undefined;
  #retry: NodeJS.Timeout | undefined;
  #attempts: readonly DialAttempt[] = [];
  #wantedMs = Number.NEGATIVE_INFINITY;
  #isCut = false;

  constructor(context: PeerConnectionsContext) {
    this.#context = context;
    this.#backoff = new Backoff(context.timings.firstRetryMs, context.timings.lastRetryMs);
  }

  get current(): SshLink | undefined {
    return this.#current?.isOpen === true ? this.#current : undefined;
  }

  /** Of the dial under way, or the last one. */
  get attempts(): readonly DialAttempt[] {
    return this.#dial?.attempts ?? this.#attempts;
  }

  /** Whether there is nothing here that anybody waits for. */
  get isForgettable(): boolean {
    return this.#links.size === 0 && this.#dial === undefined && !this.#isWanted();
  }

  want(): void {
    this.#wantedMs = this.#context.clock.monotonicMs();
    if (this.#retry === undefined) this.#dialIfWanted();
  }

  /** Dials now, whatever the last attempts came to, when a connection is wanted and there is none. */
  retryNow(): void {
    this.#backoff.reset();
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#dialIfWanted();
  }

  /** Takes over a connection whose subsystem is open. */
  adopt(opened: OpenedConnection): void {
    if (this.#isCut) {
      opened.underlay.destroy();
      return;
    }
    const link = new SshLink(opened, {
      ...this.#context.link,
      onRemoteEnd: (each) => this.#onRemoteEnd(each),
      onClose: (each, reason) => this.#onClose(each, reason),
    });
    this.#links.add(link);
    const [oldest] = this.#links;
    if (this.#links.size > MAX_LINKS) oldest?.destroy("too many connections of one peer");
    // The other end cannot have taken it for open yet, so nothing is lost with it.
    if (!link.isDialled && this.#dial?.isOpening === false) this.#dial.abort();
    this.#context.logger.debug({ address: link.address, isDialled: link.isDialled }, "an SSH connection is open");
    this.#settle();
  }

  /** To be called about every second. */
  tick(nowMs: number): void {
    for (const link of [...this.#links]) link.tick(nowMs);
    const link = this.#current;
    if (link === undefined) return;
    if (nowMs - link.openedMs >= STEADY_MS) this.#backoff.reset();
    const idleMs = nowMs - Math.max(link.lastUsedMs, this.#wantedMs);
    const limitMs = this.#context.timings.idleMs * (link.isDialled ? 1 : ACCEPTED_IDLE_FACTOR);
    if (idleMs < limitMs) return;
    link.finish("nobody has used it for a while");
    this.#settle();
  }

  /**
   * For another network: breaks the connections that `isDead` says are, and has another one at once where one is wanted. A
   * dial under way began in the former network, and may wait there for long.
   */
  drop(isDead: (link: SshLink) => boolean, reason: string): void {
    for (const link of [...this.#links]) if (isDead(link)) link.destroy(reason);
    if (this.#dial?.isOpening === false) {
      this.#dial.abort();
      this.#dial = undefined;
    }
    // Now, and not when they have closed: until then they would stand in the way of the next one.
    this.#settle();
    this.retryNow();
  }

  /** Ends everything at once and for good. */
  cut(reason: string): void {
    this.#stopDialling();
    for (const link of [...this.#links]) link.destroy(reason);
  }

  /** Ends everything for good, but lets what waits be sent. Resolves when it is over. */
  async leave(): Promise<void> {
    this.#stopDialling();
    const closed = [...this.#links].map((link) => link.closed);
    for (const link of this.#links) link.finish("shutting down");
    await Promise.all(closed);
  }

  #stopDialling(): void {
    this.#isCut = true;
    this.#wantedMs = Number.NEGATIVE_INFINITY;
    clearTimeout(this.#retry);
    this.#dial?.abort();
  }

  #isWanted(): boolean {
    return this.#context.clock.monotonicMs() - this.#wantedMs < this.#context.timings.idleMs;
  }

  #dialIfWanted(): void {
    const peer = this.#context.peer();
    const isBusy = this.#current !== undefined || this.#dial !== undefined || this.#isCut;
    if (isBusy || peer === undefined || peer.sshEndpoints.length === 0 || !this.#isWanted()) return;
    const dial = new PeerDial(peer, this.#context.dial);
    this.#dial = dial;
    void dial.run().then((opened) => this.#onDialled(dial, opened));
  }

  #onDialled(dial: PeerDial, opened: OpenedConnection | undefined): void {
    if (this.#dial === dial) {
      this.#attempts = dial.attempts;
      this.#dial = undefined;
    }
    if (opened !== undefined) {
      this.adopt(opened);
      return;
    }
    this.#context.logger.debug({ attempts: dial.attempts }, "an SSH dial came to nothing");
    this.#settle();
  }

  #settle(): void {
    const open = [...this.#links].filter((link) => link.isOpen);
    let best = chooseLink(open, this.#context.isOurKeySmaller);
    for (const link of open) {
      if (best === undefined || link === best) continue;
      link.hold(best);
      if (link.isDialled || link.isRemoteEnded) link.finish(TAKEN_OVER);
    }
    // While our dial waits for the last answer, the connection that the other end left for it still takes datagrams.
    if (best?.isRemoteEnded && this.#dial?.isOpening !== true) {
      best.finish("the other end left");
      best = undefined;
    }
    if (best !== this.#current) {
      this.#current = best;
      this.#context.onChange();
    }
    if (this.#current === undefined) this.#retryLater();
  }

  #retryLater(): void {
    if (this.#retry !== undefined || this.#dial !== undefined || this.#isCut || !this.#isWanted()) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#dialIfWanted();
    }, this.#backoff.nextMs());
  }

  #onRemoteEnd(link: SshLink): void {
    if (link.isOpen) this.#settle();
    else link.finish(TAKEN_OVER);
  }

  #onClose(link: SshLink, reason: string): void {
    this.#links.delete(link);
    this.#context.logger.debug({ address: link.address, reason }, "an SSH connection is closed");
    this.#settle();
  }
}
