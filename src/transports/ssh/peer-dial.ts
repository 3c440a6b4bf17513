import type { Client } from "ssh2";
import type { Clock } from "../../base/clock.ts";
import { type DialAttempt, interleaveFamilies, raceEndpoints } from "../../host/dial-race.ts";
import type { SocketTarget } from "../../host/tcp.ts";
import { parseTarget } from "./endpoint.ts";
import { ALGORITHMS, SSH_USER, type SshTimings, type Underlay } from "./options.ts";
import { logIn, openSubsystem } from "./outgoing-connection.ts";
import type { KnownPeer } from "./peer-directory.ts";
import type { OpenedConnection } from "./ssh-link.ts";

export interface DialContext {
  /** Our machine key as an OpenSSH private key. */
  readonly privateKey: string;
  readonly timings: SshTimings;
  readonly clock: Clock;
  /** A connected stream to `target`; when `signal` aborts, a rejection and nothing open. */
  readonly openUnderlay: (target: SocketTarget, signal: AbortSignal) => Promise<Underlay>;
}

interface LoggedIn {
  readonly client: Client;
  readonly underlay: Underlay;
}

/** A peer may announce more; those at the end are the least likely. */
const MAX_ENDPOINTS = 16;

/** One go at reaching a peer over SSH: its endpoints in a race up to the log-in, then the subsystem on the winner alone. */
export class PeerDial {
  readonly peer: KnownPeer;
  readonly #context: DialContext;
  readonly #abort = new AbortController();
  readonly #attempts: DialAttempt[] = [];
  #isOpening = false;

  constructor(peer: KnownPeer, context: DialContext) {
    this.peer = peer;
    this.#context = context;
  }

  /** What came of each endpoint tried. */
  get attempts(): readonly DialAttempt[] {
    return this.#attempts;
  }

  /** Whether the other end may take the connection for open already. */
  get isOpening(): boolean {
    return this.#isOpening;
  }

  /** Ends it, and what it has opened. */
  abort(): void {
    this.#abort.abort(new Error("given up"));
  }

  /** Undefined when the peer is not to be reached, or it was aborted. */
  async run(): Promise<OpenedConnection | undefined> {
    const { timings, clock } = this.#context;
    const { signal } = this.#abort;
    const won = await raceEndpoints<LoggedIn>({
      endpoints: interleaveFamilies(this.peer.sshEndpoints).slice(0, MAX_ENDPOINTS),
      attempt: (endpoint, lost) =>
        this.#logIn(endpoint, AbortSignal.any([lost, AbortSignal.timeout(timings.handshakeMs)])),
      discard: ({ underlay }) => underlay.destroy(),
      staggerMs: timings.staggerMs,
      clock,
      signal,
      onAttempt: (attempt) => this.#attempts.push(attempt),
    });
    return won && this.#open(won.endpoint, won.value);
  }

  async #logIn(endpoint: string, signal: AbortSignal): Promise<LoggedIn> {
    const { privateKey, timings, openUnderlay } = this.#context;
    const underlay = await openUnderlay(parseTarget(endpoint), signal);
    const client = await logIn(underlay, {
      username: SSH_USER,
      privateKey,
      algorithms: ALGORITHMS,
      isHostKey: (key) => key.equals(this.peer.sshKey),
      keepaliveMs: timings.keepaliveMs,
      signal,
    });
    return { client, underlay };
  }

  async #open(endpoint: string, { client, underlay }: LoggedIn): Promise<OpenedConnection | undefined> {
    const { signal } = this.#abort;
    const giveUp = () => underlay.destroy();
    const timer = setTimeout(giveUp, this.#context.timings.handshakeMs);
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      signal.throwIfAborted();
      this.#isOpening = true;
      const channel = await openSubsystem(client);
      return { peer: this.peer.publicKey, address: endpoint, ssh: { dialled: client }, channel, underlay };
    } catch {
      underlay.destroy();
      return undefined;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
    }
  }
}
