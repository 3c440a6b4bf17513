import { readFileSync } from "node:fs";
import ssh2, { type ServerHostKeyAlgorithm } from "ssh2";
import { Backoff } from "../../base/backoff.ts";
import { MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { type Dial, openTcp, type SocketTarget } from "../../host/tcp.ts";
import { formatTarget } from "./endpoint.ts";
import { ForwardError, JumpConnection, type JumpConnectionContext } from "./jump-connection.ts";
import { type HostKeyVerdict, KnownHosts } from "./known-hosts.ts";
import type { JumpOptions, Underlay } from "./options.ts";
import { LoginError, logIn } from "./outgoing-connection.ts";

export interface JumpContext extends JumpConnectionContext {
  readonly logger: Logger;
  readonly socketFactory: Dial;
}

/** What is wrong with the files shows before anything starts. @throws MeshError `ssh-identity-unusable`, `ssh-host-key-unknown` */
export function requireUsableJump(options: JumpOptions): void {
  readIdentity(options.identityFile);
  algorithmsOf(options, readKnownHosts(options.knownHostsFile));
}

/**
 * A stock SSH server between us and the peers, as `ssh -J`: one connection to it, made when the first peer is dialled and
 * closed when none has been for a while, and a forwarded TCP connection in it for each dial.
 */
export class JumpHost {
  readonly #options: JumpOptions;
  readonly #context: JumpContext;
  readonly #closing = new AbortController();
  readonly #backoff: Backoff;
  #retryAtMs = 0;
  #connecting: Promise<JumpConnection> | undefined;
  #connected: JumpConnection | undefined;
  #problem: MeshError | null = null;

  /** @throws MeshError `ssh-identity-unusable`, `ssh-host-key-unknown`: what is wrong shows at the start */
  constructor(options: JumpOptions, context: JumpContext) {
    this.#options = options;
    this.#context = context;
    this.#backoff = new Backoff(context.timings.firstRetryMs, context.timings.lastRetryMs);
    requireUsableJump(options);
  }

  /** Why it is of no use at the moment; null while nothing is known against it. */
  get problem(): MeshError | null {
    return this.#problem;
  }

  /**
   * A stream to `target` as seen from the jump host.
   * @throws MeshError `ssh-jump-refused`, `ssh-jump-unreachable`, `ssh-host-key-changed` and those of the constructor;
   *   ForwardError about the target; after an abort of `signal`, its reason
   */
  async open(target: SocketTarget, signal: AbortSignal): Promise<Underlay> {
    const connection = await this.#connection();
    signal.throwIfAborted();
    try {
      const stream = await connection.open(target, signal);
      this.#problem = null;
      return stream;
    } catch (failure) {
      if (!(failure instanceof ForwardError && failure.isProhibited)) throw failure;
      const message = `the jump host ${this.#name} forwards no connections of ours`;
      throw this.#record(new MeshError("ssh-jump-refused", message, { cause: failure }));
    }
  }

  /** To be called about every second. */
  tick(nowMs: number): void {
    this.#connected?.tick(nowMs);
  }

  /** Breaks the connection if its address of ours `isGone`. */
  dropIf(isGone: (localAddress: string | undefined) => boolean): void {
    if (isGone(this.#connected?.localAddress)) this.#connected?.destroy();
    this.#retryAtMs = 0;
  }

  /** Idempotent. */
  close(): void {
    this.#closing.abort(new Error("shutting down"));
    this.#connected?.destroy();
  }

  get #name(): string {
    return formatTarget(this.#options);
  }

  /** The one that is there, or the one that is coming about for somebody else. */
  async #connection(): Promise<JumpConnection> {
    if (this.#connected !== undefined) return this.#connected;
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #connect(): Promise<JumpConnection> {
    const { clock } = this.#context;
    // Every peer dials through here: without a wait, a host that refuses us would be asked without end.
    if (this.#problem !== null && clock.monotonicMs() < this.#retryAtMs) throw this.#problem;
    try {
      const connection = await this.#logIn();
      this.#backoff.reset();
      this.#problem = null;
      return connection;
    } catch (failure) {
      this.#retryAtMs = clock.monotonicMs() + this.#backoff.nextMs();
      if (this.#closing.signal.aborted) throw failure;
      if (failure instanceof MeshError) throw this.#record(failure);
      const said = failure instanceof Error ? failure.message : String(failure);
      const message = `the jump host ${this.#name} cannot be reached: ${said}`;
      throw this.#record(new MeshError("ssh-jump-unreachable", message, { cause: failure }));
    }
  }

  async #logIn(): Promise<JumpConnection> {
    const { timings, socketFactory } = this.#context;
    const { user, identityFile, knownHostsFile } = this.#options;
    // Read each time: what an admin corrects in them takes effect with the next attempt.
    const privateKey = readIdentity(identityFile);
    const knownHosts = readKnownHosts(knownHostsFile);
    const algorithms = { serverHostKey: algorithmsOf(this.#options, knownHosts), compress: ["none" as const] };
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(timings.handshakeMs)]);
    const socket = await openTcp(socketFactory, this.#options, signal);
    let verdict: HostKeyVerdict = "unknown";
    const isHostKey = (key: Buffer) => {
      verdict = knownHosts.check(this.#options, key);
      return verdict === "known";
    };
    const login = { username: user, privateKey, algorithms, isHostKey, keepaliveMs: timings.keepaliveMs, signal };
    const client = await logIn(socket, login).catch((failure) => {
      throw this.#explain(failure, verdict);
    });
    const connection = new JumpConnection(client, socket, this.#context);
    this.#connected = connection;
    socket.once("close", () => {
      if (this.#connected === connection) this.#connected = undefined;
    });
    return connection;
  }

  #explain(failure: unknown, verdict: HostKeyVerdict): unknown {
    if (!(failure instanceof LoginError)) return failure;
    const { user, knownHostsFile: file } = this.#options;
    const options = { cause: failure };
    if (failure.failure === "refused")
      return new MeshError("ssh-jump-refused", `the jump host ${this.#name} does not let ${user} in`, options);
    if (failure.failure !== "host-key") return failure;
    const is = verdict === "revoked" ? `revoked in ${file}` : `not the one in ${file}`;
    return new MeshError("ssh-host-key-changed", `the key that the jump host ${this.#name} shows is ${is}`, options);
  }

  #record(problem: MeshError): MeshError {
    if (this.#problem?.message !== problem.message) this.#context.logger.warn({ code: problem.code }, problem.message);
    this.#problem = problem;
    return problem;
  }
}

/**
 * By which the host can prove a key that stands in the file: it may have others, which prove nothing to us.
 * @throws MeshError `ssh-host-key-unknown`
 */
function algorithmsOf(options: JumpOptions, knownHosts: KnownHosts): ServerHostKeyAlgorithm[] {
  const algorithms = knownHosts.algorithmsFor(options);
  if (algorithms.length > 0) return algorithms;
  const message = `${options.knownHostsFile} has no usable key of the jump host ${formatTarget(options)}`;
  throw new MeshError("ssh-host-key-unknown", message);
}

/** @throws MeshError `ssh-identity-unusable` */
function readIdentity(file: string): string {
  const text = readText(file, "ssh-identity-unusable");
  const key = ssh2.utils.parseKey(text);
  if (!(key instanceof Error) && key.isPrivateKey()) return text;
  throw new MeshError("ssh-identity-unusable", `${file} is no private key without a passphrase`);
}

/** @throws MeshError `ssh-host-key-unknown` */
function readKnownHosts(file: string): KnownHosts {
  return new KnownHosts(readText(file, "ssh-host-key-unknown"));
}

function readText(file: string, code: "ssh-identity-unusable" | "ssh-host-key-unknown"): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new MeshError(code, `cannot read ${file}: ${said}`, { cause });
  }
}
