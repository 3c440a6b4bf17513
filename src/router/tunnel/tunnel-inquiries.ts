import { randomBytes } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import { MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { RateLimiter } from "../../base/rate-limiter.ts";
import type { FilterPreview } from "../../filter/packet-filter.ts";
import type { DataCommand, DataEvent } from "../shared/commands.ts";
import { type Inquiry, MAX_INQUIRY_BODY_BYTES } from "../shared/inquiry.ts";
import type { PeerSet } from "./peer-set.ts";

/** Questions of one peer that are heard: at once, and again per second. Those sent again count. */
const BURST = 12;
const PER_SECOND = 4;
/** Of all peers together: each costs the data thread a look through the table of connections. */
const TOTAL_BURST = 36;
const TOTAL_PER_SECOND = 12;
/** A question goes out again until there is an answer. */
const REPEAT_MS = 400;

export interface TunnelInquiriesDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly peers: PeerSet;
  readonly post: (commands: readonly DataCommand[]) => void;
}

/** What the data plane would do with a packet. */
export interface PacketPreview {
  /** Public key of the peer that the packet's far end is routed to; null where it is nobody's. */
  readonly peer: string | null;
  /** Null without a peer. */
  readonly decided: FilterPreview | null;
  /** Of what comes from a peer: this host is the one it is for, or forwards it there. */
  readonly isAccepted: boolean;
}

/** Answers a question of the peer with this public key; undefined for none. */
export type AnswerQuestion = (publicKey: string, body: Uint8Array) => Promise<Uint8Array | undefined>;

interface OpenQuestion {
  readonly peer: number;
  readonly resolve: (body: Uint8Array) => void;
  readonly reject: (failure: MeshError) => void;
  readonly send: () => void;
}

/** What the control thread asks: of the other ends, inside their sessions, and of our own data plane. */
export class TunnelInquiries {
  readonly #deps: TunnelInquiriesDeps;
  /** Tells our questions from those of an earlier life of this process. */
  readonly #id = randomBytes(4).readUInt32BE();
  readonly #questions = new Map<number, OpenQuestion>();
  readonly #previews = new Map<number, { resolve: (preview: PacketPreview) => void; reject: (f: MeshError) => void }>();
  readonly #limiter = new RateLimiter(BURST, PER_SECOND);
  readonly #totalLimiter = new RateLimiter(TOTAL_BURST, TOTAL_PER_SECOND);
  /** Questions that are being answered: what is sent again meanwhile needs no second answer. */
  readonly #underWay = new Set<string>();
  #answer: AnswerQuestion = () => Promise.resolve(undefined);
  #failure: MeshError | undefined;
  #last = 0;

  constructor(deps: TunnelInquiriesDeps) {
    this.#deps = deps;
  }

  /** What would become of `bytes`, the first packet of a connection. Nothing is counted or remembered. */
  preview(bytes: Uint8Array, isOutbound: boolean): Promise<PacketPreview> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const id = this.#next();
    return new Promise((resolve, reject) => {
      this.#previews.set(id, { resolve, reject });
      this.#deps.post([{ type: "preview", id, bytes, isOutbound }]);
    });
  }

  /** @throws MeshError `not-found` for a key that is no peer, `timeout` */
  async ask(publicKey: string, body: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    if (this.#failure !== undefined) throw this.#failure;
    const peer = this.#deps.peers.get(publicKey);
    if (peer === undefined) throw new MeshError("not-found", `${publicKey} is no peer of this interface`);
    const sequence = this.#next();
    const command: DataCommand = {
      type: "send-inquiry",
      peer: peer.id,
      inquiry: { isAnswer: false, id: this.#id, sequence, body },
    };
    let timers: NodeJS.Timeout[] = [];
    try {
      return await new Promise((resolve, reject) => {
        const send = () => this.#deps.post([command]);
        const giveUp = () => reject(new MeshError("timeout", `no answer within ${timeoutMs} ms`));
        timers = [setInterval(send, REPEAT_MS), setTimeout(giveUp, timeoutMs)];
        this.#questions.set(sequence, { peer: peer.id, resolve, reject, send });
        send();
      });
    } finally {
      this.#questions.delete(sequence);
      for (const timer of timers) clearTimeout(timer);
    }
  }

  /** Who answers what peers ask. */
  onQuestion(answer: AnswerQuestion): void {
    this.#answer = answer;
  }

  /** For the tunnel: true when the event was an answer, a question or a preview, and has been dealt with. */
  take(event: DataEvent): boolean {
    if (event.type === "previewed") {
      const { id, peer, decided, isAccepted } = event;
      const publicKey = peer === null ? undefined : this.#deps.peers.byId(peer)?.publicKey;
      this.#previews.get(id)?.resolve({ peer: publicKey ?? null, decided, isAccepted });
      this.#previews.delete(id);
      return true;
    }
    if (event.type !== "inquiry") return false;
    const { peer, inquiry } = event;
    if (!inquiry.isAnswer) void this.#takeQuestion(peer, inquiry);
    else if (inquiry.id === this.#id) {
      const question = this.#questions.get(inquiry.sequence);
      if (question?.peer === peer) question.resolve(inquiry.body);
    }
    return true;
  }

  /** For the tunnel: a session of `peer` is up; what was asked before went nowhere. */
  repeat(peer: number): void {
    for (const question of this.#questions.values()) if (question.peer === peer) question.send();
  }

  abort(failure: MeshError): void {
    this.#failure = failure;
    for (const { reject } of [...this.#questions.values(), ...this.#previews.values()]) reject(failure);
    this.#previews.clear();
  }

  async #takeQuestion(peer: number, { id, sequence, body }: Inquiry): Promise<void> {
    const { peers, clock, logger, post } = this.#deps;
    const asker = peers.byId(peer);
    const nowMs = clock.monotonicMs();
    if (asker === undefined || !this.#limiter.take(asker.publicKey, nowMs)) return;
    if (!this.#totalLimiter.take("all", nowMs)) return;
    const key = `${peer} ${id} ${sequence}`;
    if (this.#underWay.has(key)) return;
    this.#underWay.add(key);
    try {
      const answer = await this.#answer(asker.publicKey, body);
      if (answer === undefined || answer.length > MAX_INQUIRY_BODY_BYTES) return;
      post([{ type: "send-inquiry", peer, inquiry: { isAnswer: true, id, sequence, body: answer } }]);
    } catch (failure) {
      logger.warn({ err: failure }, "a question of a peer could not be answered");
    } finally {
      this.#underWay.delete(key);
    }
  }

  #next(): number {
    this.#last = (this.#last + 1) >>> 0;
    return this.#last;
  }
}
