import type { Client, ClientChannel, Connection, ServerChannel } from "ssh2";
import type { Clock } from "../../base/clock.ts";
import { FrameDecoder } from "./frame-decoder.ts";
import { FRAME_HEADER_BYTES, FrameQueue } from "./frame-queue.ts";
import type { LinkView } from "./link-choice.ts";
import type { SshLimits, SshStats, SshTimings, Underlay } from "./options.ts";
import { RekeySchedule } from "./rekey-schedule.ts";

/** A connection whose subsystem has just opened. */
export interface OpenedConnection {
  /** WireGuard public key of who is at the other end, base64. */
  readonly peer: string;
  readonly address: string;
  readonly ssh: { readonly dialled: Client } | { readonly accepted: Connection };
  readonly channel: ClientChannel | ServerChannel;
  readonly underlay: Underlay;
}

export interface LinkContext {
  readonly timings: SshTimings;
  readonly limits: SshLimits;
  readonly stats: SshStats;
  readonly clock: Clock;
  readonly onDatagram: (peer: string, datagram: Uint8Array) => void;
  readonly onRemoteEnd: (link: SshLink) => void;
  readonly onClose: (link: SshLink, reason: string) => void;
}

/** One SSH packet: ssh2 and OpenSSH take up to 32 KiB of channel data in each. */
const BATCH_BYTES = 32_000;
/** Above this the socket is left to drain: what is in there can neither be dropped nor overtaken. */
const HIGH_WATER_BYTES = 64 * 1024;
/** Beyond what we send ourselves, only answers that the other end asks for and does not read fill the socket. */
const MAX_UNREAD_BYTES = 1024 * 1024;
/** For the other end to say its last. */
const LEAVE_MS = 5_000;

const LinkState = {
  open: 0,
  /** Another link has taken over; whoever dialled this one will end it. */
  held: 1,
  /** What waits is sent yet. */
  finishing: 2,
  /** We have said that no more comes, and hear the other end out. */
  ended: 3,
  closed: 4,
} as const;
type LinkState = (typeof LinkState)[keyof typeof LinkState];

/** Rises over all links, to tell which of two is newer. */
let serials = 0;

/**
 * An open connection to one peer: datagrams in and out of its channel, with a bounded queue before it.
 *
 *     open ──► held ──► finishing ──► ended ──► closed
 *       └───────────────────┘ ▲         (from every state when the connection breaks)
 *
 * So it is left without loss: who dialled ends its direction, the other end then ends its own, and both close.
 */
export class SshLink implements LinkView {
  readonly peer: string;
  readonly address: string;
  readonly isDialled: boolean;
  readonly serial = ++serials;
  readonly openedMs: number;
  /** Resolves when the connection is over. */
  readonly closed: Promise<void>;
  /** The other end has said that no more comes from it. */
  isRemoteEnded = false;
  /** When the last datagram went or came. */
  lastUsedMs: number;
  readonly #opened: OpenedConnection;
  readonly #context: LinkContext;
  readonly #queue: FrameQueue;
  readonly #decoder: FrameDecoder;
  readonly #rekeys: RekeySchedule;
  #state: LinkState = LinkState.open;
  #leavingSinceMs = 0;
  #closeReason = "closed by the other end";
  #isFlushScheduled = false;
  /** Written, and waiting for the other end's window. */
  #isWindowFull = false;
  /** ssh2 holds what we write until the keys are exchanged. */
  #isRekeying = false;
  #heardBytes = 0;
  #heardMs: number;
  /** When something last got away. */
  #progressMs: number;

  constructor(opened: OpenedConnection, context: LinkContext) {
    const nowMs = context.clock.monotonicMs();
    this.peer = opened.peer;
    this.address = opened.address;
    this.isDialled = "dialled" in opened.ssh;
    this.openedMs = nowMs;
    this.lastUsedMs = nowMs;
    this.#heardMs = nowMs;
    this.#progressMs = nowMs;
    this.closed = new Promise((resolve) => opened.underlay.once("close", () => resolve()));
    this.#opened = opened;
    this.#context = context;
    this.#queue = new FrameQueue(context.limits.queueBytes);
    this.#decoder = new FrameDecoder((datagram) => this.#deliver(datagram));
    const { rekeyAfterMs: afterMs, deadAfterMs: stallMs } = context.timings;
    this.#rekeys = new RekeySchedule({ afterBytes: context.limits.rekeyAfterBytes, afterMs, stallMs }, nowMs);
    this.#listen();
  }

  /** Whether datagrams can be given to it. */
  get isOpen(): boolean {
    return this.#state === LinkState.open;
  }

  /** Our address; undefined through a jump host. */
  get localAddress(): string | undefined {
    return this.#opened.underlay.localAddress;
  }

  /** Takes a copy. `datagram`: 1 to `MAX_PIPE_DATAGRAM_BYTES`. */
  send(datagram: Uint8Array): void {
    this.#context.stats.droppedDatagrams += this.#queue.push(datagram);
    this.lastUsedMs = this.#context.clock.monotonicMs();
    this.#scheduleFlush();
  }

  /** Sends no more: `successor` has taken over, also what waits here. */
  hold(successor: SshLink): void {
    if (this.#state !== LinkState.open) return;
    this.#leave(LinkState.held, "another connection to this peer took over");
    const mover = new FrameDecoder((datagram) => successor.send(datagram));
    for (let batch = this.#queue.take(BATCH_BYTES); batch !== undefined; batch = this.#queue.take(BATCH_BYTES))
      mover.push(batch);
  }

  /** Sends what waits and that it was the last, and closes when the other end has said the same. Idempotent. */
  finish(reason: string): void {
    if (this.#state >= LinkState.finishing) return;
    this.#leave(LinkState.finishing, reason);
    this.#flush();
  }

  /** Closes at once, whatever waits. Idempotent. */
  destroy(reason: string): void {
    if (this.#state === LinkState.closed) return;
    this.#state = LinkState.closed;
    this.#closeReason = reason;
    this.#opened.underlay.destroy();
  }

  /** To be called about every second. */
  tick(nowMs: number): void {
    const reason = this.#whyDead(nowMs);
    if (reason !== undefined) this.destroy(reason);
    else this.#rekeyWhenDue(nowMs);
  }

  #listen(): void {
    const { channel, underlay, ssh } = this.#opened;
    const connection = "dialled" in ssh ? ssh.dialled : ssh.accepted;
    channel.on("data", (chunk: Buffer) => {
      this.#context.stats.malformedFrames += this.#decoder.push(chunk);
    });
    channel.on("end", () => this.#onRemoteEnd());
    channel.on("close", () => connection.end());
    channel.on("error", (failure: Error) => this.destroy(failure.message));
    connection.on("error", (failure: Error) => this.destroy(failure.message));
    connection.on("handshake", () => this.#onRekeyed());
    underlay.on("drain", () => this.#flush());
    underlay.on("data", () => this.#stopAbuse());
    underlay.once("close", () => this.#onClose());
  }

  #deliver(datagram: Uint8Array): void {
    // Of somebody who was cut off, nothing counts that had been read before.
    if (this.#state === LinkState.closed) return;
    const { stats, clock, onDatagram } = this.#context;
    const nowMs = clock.monotonicMs();
    this.lastUsedMs = nowMs;
    stats.receivedDatagrams++;
    stats.receivedBytes += datagram.length;
    this.#rekeys.count(datagram.length);
    this.#rekeyWhenDue(nowMs);
    onDatagram(this.peer, datagram);
  }

  /** What is sent in one go leaves in one piece: an SSH packet for each datagram would cost ten times as much. */
  #scheduleFlush(): void {
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    queueMicrotask(() => {
      this.#isFlushScheduled = false;
      this.#flush();
    });
  }

  #isBlocked(): boolean {
    return this.#isWindowFull || this.#isRekeying || this.#opened.underlay.writableLength >= HIGH_WATER_BYTES;
  }

  #flush(): void {
    if (this.#state >= LinkState.ended || this.#opened.channel.writableEnded) return;
    const { stats } = this.#context;
    while (!this.#isBlocked()) {
      const before = this.#queue.datagrams;
      const batch = this.#queue.take(BATCH_BYTES);
      if (batch === undefined) break;
      const datagrams = before - this.#queue.datagrams;
      stats.sentDatagrams += datagrams;
      stats.sentBytes += batch.length - datagrams * FRAME_HEADER_BYTES;
      this.#rekeys.count(batch.length);
      this.#write(batch);
      this.#rekeyWhenDue(this.#context.clock.monotonicMs());
    }
    if (this.#state !== LinkState.finishing || this.#queue.datagrams > 0 || this.#isWindowFull) return;
    this.#state = LinkState.ended;
    this.#opened.channel.end();
  }

  #write(batch: Buffer): void {
    const { channel, underlay } = this.#opened;
    const before = underlay.bytesWritten;
    channel.write(batch, () => {
      if (!this.#isWindowFull) return;
      this.#isWindowFull = false;
      this.#progressMs = this.#context.clock.monotonicMs();
      this.#flush();
    });
    this.#isWindowFull = channel.writableLength > 0;
    // Nobody says when the other end has begun to exchange keys, but then nothing reaches the socket.
    this.#isRekeying = !this.#isWindowFull && underlay.bytesWritten - before < batch.length;
    if (!this.#isWindowFull && !this.#isRekeying) this.#progressMs = this.#context.clock.monotonicMs();
  }

  #leave(state: LinkState, reason: string): void {
    if (this.#state === LinkState.open) this.#leavingSinceMs = this.#context.clock.monotonicMs();
    this.#state = state;
    this.#closeReason = reason;
  }

  #onRemoteEnd(): void {
    this.isRemoteEnded = true;
    if (!this.#decoder.isBetweenFrames) this.#context.stats.malformedFrames++;
    this.#context.onRemoteEnd(this);
  }

  #onClose(): void {
    this.#state = LinkState.closed;
    this.#context.stats.droppedDatagrams += this.#queue.clear();
    this.#context.onClose(this, this.#closeReason);
  }

  /** Who accepted does it: ssh2 offers it to that end only, and every connection between peers has one. */
  #rekeyWhenDue(nowMs: number): void {
    const { ssh, underlay } = this.#opened;
    if (!("accepted" in ssh) || !this.#rekeys.isDue(nowMs)) return;
    this.#rekeys.begin(nowMs, underlay.bytesRead);
    this.#isRekeying = true;
    ssh.accepted.rekey();
  }

  #onRekeyed(): void {
    this.#context.stats.rekeys++;
    this.#rekeys.done(this.#context.clock.monotonicMs());
    this.#isRekeying = false;
    this.#flush();
  }

  #whyDead(nowMs: number): string | undefined {
    const { deadAfterMs } = this.#context.timings;
    const { bytesRead } = this.#opened.underlay;
    if (bytesRead !== this.#heardBytes) this.#heardMs = nowMs;
    this.#heardBytes = bytesRead;
    if (nowMs - this.#heardMs >= deadAfterMs) return "the other end is silent";
    if (!this.#isBlocked() || this.#queue.datagrams === 0) this.#progressMs = nowMs;
    if (nowMs - this.#progressMs >= deadAfterMs) return "nothing gets through to the other end";
    if (this.#rekeys.isStalled(nowMs)) return "the other end does not finish a key exchange";
    const isLeaving = this.#state !== LinkState.open && nowMs - this.#leavingSinceMs >= LEAVE_MS;
    return isLeaving ? this.#closeReason : undefined;
  }

  /** What the other end has us answer or hold must not grow without end. */
  #stopAbuse(): void {
    const { underlay } = this.#opened;
    if (underlay.writableLength > MAX_UNREAD_BYTES) this.destroy("the other end does not read what it asks for");
    if (this.#rekeys.isAbused(underlay.bytesRead)) this.destroy("the other end floods a key exchange");
  }
}
