import type { Socket } from "node:net";
// A CommonJS module: only some of its exports are found by name.
import ssh2, { type AuthContext, type Connection, type ParsedKey, type PublicKeyAuthContext, type Session } from "ssh2";
import { formatTarget } from "./endpoint.ts";
import { MACHINE_KEY_TYPE } from "./machine-key.ts";
import { ALGORITHMS, KEEPALIVE_COUNT_NEVER, SSH_IDENT, SUBSYSTEM } from "./options.ts";
import type { KnownPeer, PeerDirectory } from "./peer-directory.ts";
import type { OpenedConnection } from "./ssh-link.ts";

export interface IncomingContext {
  readonly hostKey: ParsedKey;
  readonly directory: PeerDirectory;
  readonly keepaliveMs: number;
  readonly handshakeMs: number;
  readonly onOpen: (opened: OpenedConnection) => void;
}

/** As OpenSSH's MaxAuthTries: a client may hold several keys, and offers each of them. */
const MAX_REFUSED_LOGINS = 6;
/** A key exchange and a log-in take less than a tenth of it. */
const MAX_BYTES_BEFORE_OPEN = 64 * 1024;

/**
 * One TCP connection to our SSH server, from its first byte until the subsystem opens:
 *
 *     key exchange ──► log-in by a peer's machine key ──► one session ──► its subsystem
 *
 * All else is refused: other ways to log in, shells, commands, terminals, environment, forwarding of any kind (ssh2 refuses
 * what nobody listens for).
 */
export class IncomingConnection {
  readonly socket: Socket;
  readonly #context: IncomingContext;
  readonly #grace: NodeJS.Timeout;
  #peer: KnownPeer | undefined;
  #refusedLogins = 0;
  #hasSession = false;
  #isOpen = false;

  constructor(socket: Socket, context: IncomingContext) {
    this.socket = socket;
    this.#context = context;
    this.#grace = setTimeout(() => socket.destroy(), context.handshakeMs);
    socket.once("close", () => clearTimeout(this.#grace));
    const server = new ssh2.Server(
      {
        hostKeys: [{ key: context.hostKey }],
        algorithms: ALGORITHMS,
        ident: SSH_IDENT,
        keepaliveInterval: context.keepaliveMs,
        keepaliveCountMax: KEEPALIVE_COUNT_NEVER,
      },
      (connection) => this.#onConnection(connection),
    );
    // A server of its own for each socket: only so is it known which socket a connection has.
    server.injectSocket(socket);
    socket.on("data", this.#limitBytes);
  }

  /** The machine key that it has proven to have, or undefined. */
  get machineKey(): string | undefined {
    return this.#peer?.machineKey;
  }

  /** Whether it came to an open subsystem. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  readonly #limitBytes = (): void => {
    if (this.socket.bytesRead > MAX_BYTES_BEFORE_OPEN) this.socket.destroy();
  };

  #onConnection(connection: Connection): void {
    // What goes wrong with a stranger is nobody's concern; the socket closes by it.
    connection.on("error", () => this.socket.destroy());
    connection.on("authentication", (login) => this.#onLogin(connection, login));
    connection.on("session", (accept, reject) => {
      if (this.#hasSession) return reject();
      this.#hasSession = true;
      this.#onSession(connection, accept());
    });
  }

  #onLogin(connection: Connection, login: AuthContext): void {
    const peer = login.method === "publickey" ? this.#peerOf(login) : undefined;
    if (login.method === "publickey" && peer !== undefined) {
      // Without a signature the client only asks whether the key would do, and accepting says that it would.
      if (login.signature !== undefined) this.#peer = peer;
      login.accept();
      return;
    }
    this.#refusedLogins++;
    if (this.#refusedLogins >= MAX_REFUSED_LOGINS) connection.end();
    else login.reject(["publickey"]);
  }

  #peerOf({ key, blob, signature }: PublicKeyAuthContext): KnownPeer | undefined {
    const { directory } = this.#context;
    if (key.algo !== MACHINE_KEY_TYPE) return undefined;
    const isForged = signature !== undefined && !(blob && directory.isSignedBy(key.data, blob, signature));
    return isForged ? undefined : directory.bySshKey(key.data);
  }

  #onSession(connection: Connection, session: Session): void {
    session.on("subsystem", (accept, reject, { name }) => {
      const peer = this.#peer && this.#context.directory.bySshKey(this.#peer.sshKey);
      // The peer may have been removed since it logged in.
      if (name !== SUBSYSTEM || this.#isOpen || peer === undefined) return reject();
      this.#isOpen = true;
      clearTimeout(this.#grace);
      this.socket.off("data", this.#limitBytes);
      const { remoteAddress, remotePort } = this.socket;
      this.#context.onOpen({
        peer: peer.publicKey,
        address: formatTarget({ host: remoteAddress ?? "", port: remotePort ?? 0 }),
        ssh: { accepted: connection },
        channel: accept(),
        underlay: this.socket,
      });
    });
  }
}
