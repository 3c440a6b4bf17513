import type { Socket } from "node:net";
import type { Client } from "ssh2";
import type { Clock } from "../../base/clock.ts";
import type { SocketTarget } from "../../host/tcp.ts";
import { JumpStream } from "./jump-stream.ts";
import type { SshLimits, SshTimings, Underlay } from "./options.ts";
import { RekeySchedule } from "./rekey-schedule.ts";

export interface JumpConnectionContext {
  readonly timings: SshTimings;
  readonly limits: SshLimits;
  readonly clock: Clock;
}

/** What the jump host said to a forwarding; `isProhibited` when it forwards nowhere, else it is about the target. */
export class ForwardError extends Error {
  readonly isProhibited: boolean;

  constructor(message: string, isProhibited: boolean, cause: unknown) {
    super(message, { cause });
    this.isProhibited = isProhibited;
  }
}

/** SSH_OPEN_ADMINISTRATIVELY_PROHIBITED (RFC 4254 §5.1). */
const PROHIBITED = 1;

/** A connection to a jump host after its log-in, with the forwarded connections in it. */
export class JumpConnection {
  readonly #client: Client;
  readonly #socket: Socket;
  readonly #context: JumpConnectionContext;
  readonly #rekeys: RekeySchedule;
  readonly #streams = new Set<JumpStream>();
  #countedBytes = 0;
  #heardBytes = 0;
  #heardMs: number;
  #usedMs: number;

  constructor(client: Client, socket: Socket, context: JumpConnectionContext) {
    const { timings, limits, clock } = context;
    this.#client = client;
    this.#socket = socket;
    this.#context = context;
    const nowMs = clock.monotonicMs();
    this.#heardMs = nowMs;
    this.#usedMs = nowMs;
    const { rekeyAfterMs: afterMs, deadAfterMs: stallMs } = timings;
    this.#rekeys = new RekeySchedule({ afterBytes: limits.rekeyAfterBytes, afterMs, stallMs }, nowMs);
    client.on("handshake", () => this.#rekeys.done(clock.monotonicMs()));
    // Each stream through it waits for it to drain.
    socket.setMaxListeners(0);
    socket.once("close", () => {
      for (const stream of this.#streams) stream.destroy();
    });
  }

  get localAddress(): string | undefined {
    return this.#socket.localAddress;
  }

  /** A stream to `target` as seen from the jump host. @throws ForwardError; after an abort of `signal`, its reason */
  async open(target: SocketTarget, signal: AbortSignal): Promise<Underlay> {
    this.#usedMs = this.#context.clock.monotonicMs();
    const stream = await this.#forward(target);
    if (signal.aborted) stream.destroy();
    signal.throwIfAborted();
    return stream;
  }

  /** To be called about every second. */
  tick(nowMs: number): void {
    const { deadAfterMs, idleMs } = this.#context.timings;
    const { bytesRead, bytesWritten } = this.#socket;
    if (bytesRead !== this.#heardBytes) this.#heardMs = nowMs;
    this.#heardBytes = bytesRead;
    this.#rekeys.count(bytesRead + bytesWritten - this.#countedBytes);
    this.#countedBytes = bytesRead + bytesWritten;
    const isIdle = this.#streams.size === 0 && nowMs - this.#usedMs >= idleMs;
    if (nowMs - this.#heardMs >= deadAfterMs || this.#rekeys.isStalled(nowMs)) this.destroy();
    else if (isIdle) this.#client.end();
    else if (this.#rekeys.isDue(nowMs)) this.#rekey(nowMs);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #forward(target: SocketTarget): Promise<JumpStream> {
    return new Promise((resolve, reject) => {
      this.#client.forwardOut("127.0.0.1", 0, target.host, target.port, (failure, channel) => {
        if (failure !== undefined) {
          const isProhibited = "reason" in failure && failure.reason === PROHIBITED;
          return reject(new ForwardError(failure.message, isProhibited, failure));
        }
        const stream = new JumpStream(channel, this.#socket);
        this.#streams.add(stream);
        // What breaks it closes it, and that is heard; an error that nobody hears would end the process.
        stream.on("error", () => undefined);
        stream.once("close", () => {
          this.#streams.delete(stream);
          this.#usedMs = this.#context.clock.monotonicMs();
        });
        resolve(stream);
      });
    });
  }

  /**
   * On a connection that we dialled ssh2 has no call for it: its protocol object has, which it keeps to itself. Should a
   * later ssh2 have it no more, the connection is made anew instead.
   */
  #rekey(nowMs: number): void {
    const protocol: unknown = Reflect.get(this.#client, "_protocol");
    const canRekey = typeof protocol === "object" && protocol !== null && "rekey" in protocol;
    if (canRekey && typeof protocol.rekey === "function") {
      this.#rekeys.begin(nowMs, this.#socket.bytesRead);
      protocol.rekey();
    } else this.destroy();
  }
}
