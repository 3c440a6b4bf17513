import { setTimeout as delay } from "node:timers/promises";
import { type Clock, systemClock } from "../../base/clock.ts";
import type { MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { DialAttempt } from "../../host/dial-race.ts";
import { ownInterfaces } from "../../host/own-interfaces.ts";
import { type BindListener, bindPlainly, type Dial, openTcp, plainSocket, type SocketTarget } from "../../host/tcp.ts";
import {
  emptyPipeStats,
  MAX_PIPE_DATAGRAM_BYTES,
  type PipeHandlers,
  type PipeTransport,
} from "../pipe/pipe-transport.ts";
import { JumpHost } from "./jump-host.ts";
import { machineKeyOfSeed, openSshPrivateKey } from "./machine-key.ts";
import {
  type JumpOptions,
  SSH_LIMITS,
  SSH_TIMINGS,
  type SshLimits,
  type SshPeer,
  type SshStats,
  type SshTimings,
} from "./options.ts";
import { PeerConnections, type PeerConnectionsContext } from "./peer-connections.ts";
import type { DialContext } from "./peer-dial.ts";
import { PeerDirectory } from "./peer-directory.ts";
import { type ListenResult, SshServer } from "./ssh-server.ts";

export interface SshTransportOptions {
  /** Ed25519 seed, 32 bytes: our host key and our client key. */
  readonly machineSeed: Uint8Array;
  /** Where our server listens, each address of one family; port 0: any. None: we only dial. */
  readonly listen: readonly SocketTarget[];
  readonly jump?: JumpOptions;
  readonly timings?: Partial<SshTimings>;
  readonly limits?: Partial<SshLimits>;
}

export interface SshTransportDependencies {
  readonly handlers: PipeHandlers;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** For all that we dial. */
  readonly socketFactory?: Dial;
  readonly bindListener?: BindListener;
}

const TICK_MS = 1_000;
/** For the connections' last words when the transport closes. */
const CLOSE_MS = 500;

/**
 * Datagrams over SSH between peers: each runs a server with its machine key, and logs in to the others with it. Connections
 * are made to those that `want` names, and go when nobody has for a while.
 */
export class SshTransport implements PipeTransport {
  readonly transport = "ssh";
  readonly stats: SshStats = { ...emptyPipeStats(), rekeys: 0, refusedConnections: 0 };
  readonly #ownKey: string;
  readonly #privateKey: string;
  readonly #timings: SshTimings;
  readonly #limits: SshLimits;
  readonly #handlers: PipeHandlers;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #directory: PeerDirectory;
  readonly #server: SshServer;
  readonly #jump: JumpHost | undefined;
  readonly #openUnderlay: DialContext["openUnderlay"];
  readonly #peers = new Map<string, PeerConnections>();
  readonly #ticker: NodeJS.Timeout;
  #listening: readonly ListenResult[] = [];
  #closing: Promise<void> | undefined;

  private constructor(options: SshTransportOptions, dependencies: SshTransportDependencies) {
    const { handlers, logger, clock = systemClock, socketFactory = plainSocket } = dependencies;
    this.#timings = { ...SSH_TIMINGS, ...options.timings };
    this.#limits = { ...SSH_LIMITS, ...options.limits };
    this.#ownKey = machineKeyOfSeed(options.machineSeed);
    this.#privateKey = openSshPrivateKey(options.machineSeed);
    this.#handlers = handlers;
    this.#logger = logger;
    this.#clock = clock;
    this.#directory = new PeerDirectory(this.#ownKey);
    const shared = { timings: this.#timings, limits: this.#limits, clock, logger };
    const jump = options.jump && new JumpHost(options.jump, { ...shared, socketFactory });
    this.#jump = jump;
    this.#openUnderlay = (target, signal) => jump?.open(target, signal) ?? openTcp(socketFactory, target, signal);
    this.#server = new SshServer({
      ...shared,
      privateKey: this.#privateKey,
      directory: this.#directory,
      stats: this.stats,
      bindListener: dependencies.bindListener ?? bindPlainly,
      onOpen: (opened) => this.#connectionsOf(opened.peer).adopt(opened),
    });
    this.#ticker = setInterval(() => this.#tick(), Math.min(TICK_MS, this.#timings.keepaliveMs));
  }

  /**
   * An address that cannot be listened on is told in `listening` and keeps nothing else from working.
   * @throws MeshError `bad-key`, `ssh-identity-unusable`, `ssh-host-key-unknown`
   */
  static async open(options: SshTransportOptions, dependencies: SshTransportDependencies): Promise<SshTransport> {
    const transport = new SshTransport(options, dependencies);
    transport.#listening = await transport.#server.listen(options.listen);
    return transport;
  }

  /** What became of each address that we were to listen on. */
  get listening(): readonly ListenResult[] {
    return this.#listening;
  }

  /** What the user should know although the rest works. */
  get problems(): readonly MeshError[] {
    return [...this.#listening.map(({ error }) => error), this.jumpProblem].filter((each) => each !== null);
  }

  /** Why the jump host is of no use at the moment. */
  get jumpProblem(): MeshError | null {
    return this.#jump?.problem ?? null;
  }

  /**
   * Makes `peers` the only ones who may connect and be connected to. Who is not among them any more, or has another machine
   * key, is cut off at once.
   * @throws MeshError `bad-key`, and nothing has changed
   */
  setPeers(peers: Iterable<SshPeer>): void {
    const wanted = [...peers];
    const moved = wanted.filter(({ publicKey, sshEndpoints }) => {
      const before = this.#directory.byPublicKey(publicKey);
      return before !== undefined && before.sshEndpoints.join() !== sshEndpoints.join();
    });
    for (const { publicKey, machineKey } of this.#directory.replace(wanted)) {
      this.#server.cut(machineKey);
      this.#peers.get(publicKey)?.cut("no peer of ours any more");
      this.#peers.delete(publicKey);
    }
    for (const { publicKey } of moved) this.#peers.get(publicKey)?.retryNow();
  }

  isOpenTo(peer: string): boolean {
    return this.#peers.get(peer)?.current !== undefined;
  }

  addressOf(peer: string): string | null {
    return this.#peers.get(peer)?.current?.address ?? null;
  }

  /** What came of the endpoints of the dial under way, or of the last one. */
  attemptsOf(peer: string): readonly DialAttempt[] {
    return this.#peers.get(peer)?.attempts ?? [];
  }

  want(peer: string): void {
    if (this.#closing === undefined && this.#directory.byPublicKey(peer) !== undefined)
      this.#connectionsOf(peer).want();
  }

  send(peer: string, datagram: Uint8Array): boolean {
    const link = this.#peers.get(peer)?.current;
    if (link !== undefined && datagram.length > 0 && datagram.length <= MAX_PIPE_DATAGRAM_BYTES) {
      link.send(datagram);
      return true;
    }
    this.stats.droppedDatagrams++;
    return false;
  }

  /**
   * After a change of the network: connections from an address that we have no more are dead, and who could not be reached
   * may be now.
   * @param ownAddresses in canonical form, without zones
   */
  networkChanged(ownAddresses: ReadonlySet<string> = addressesOfHost()): void {
    const isGone = (address: string | undefined) =>
      address !== undefined && !ownAddresses.has(address.replace(/%.*$/, ""));
    this.#jump?.dropIf(isGone);
    for (const peer of this.#peers.values()) peer.drop((link) => isGone(link.localAddress), "our address is gone");
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    clearInterval(this.#ticker);
    const peers = [...this.#peers.values()];
    this.#peers.clear();
    const over = new AbortController();
    await Promise.race([
      Promise.all(peers.map((peer) => peer.leave())),
      delay(CLOSE_MS, undefined, { signal: over.signal }).catch(() => undefined),
    ]);
    over.abort();
    for (const peer of peers) peer.cut("shutting down");
    this.#jump?.close();
    await this.#server.close();
  }

  #tick(): void {
    const nowMs = this.#clock.monotonicMs();
    this.#jump?.tick(nowMs);
    for (const [key, peer] of this.#peers) {
      peer.tick(nowMs);
      if (peer.isForgettable) this.#peers.delete(key);
    }
  }

  #connectionsOf(publicKey: string): PeerConnections {
    const known = this.#peers.get(publicKey);
    if (known !== undefined) return known;
    const made = new PeerConnections(this.#contextOf(publicKey));
    // Whoever still gets in while we close is cut off again.
    if (this.#closing === undefined) this.#peers.set(publicKey, made);
    else made.cut("shutting down");
    return made;
  }

  #contextOf(publicKey: string): PeerConnectionsContext {
    const clock = this.#clock;
    const timings = this.#timings;
    const theirKey = this.#directory.byPublicKey(publicKey)?.machineKey ?? "";
    return {
      peer: () => this.#directory.byPublicKey(publicKey),
      isOurKeySmaller: Buffer.compare(Buffer.from(this.#ownKey, "base64"), Buffer.from(theirKey, "base64")) < 0,
      link: { timings, limits: this.#limits, stats: this.stats, clock, onDatagram: this.#onDatagram },
      dial: { privateKey: this.#privateKey, timings, clock, openUnderlay: this.#openUnderlay },
      timings,
      clock,
      logger: this.#logger.child({ peer: publicKey }),
      onChange: () => {
        if (this.#closing === undefined) this.#handlers.onChange(publicKey);
      },
    };
  }

  readonly #onDatagram = (peer: string, datagram: Uint8Array): void => {
    if (this.#closing === undefined) this.#handlers.onDatagram(peer, datagram);
  };
}

function addressesOfHost(): ReadonlySet<string> {
  return new Set(Object.values(ownInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? []));
}
