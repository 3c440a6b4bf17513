import { Client, type ClientChannel, type ConnectConfig } from "ssh2";
import { KEEPALIVE_COUNT_NEVER, SSH_IDENT, SUBSYSTEM, type Underlay } from "./options.ts";

export interface LoginOptions {
  readonly username: string;
  /** In OpenSSH's form. */
  readonly privateKey: string;
  readonly algorithms: NonNullable<ConnectConfig["algorithms"]>;
  /** Is asked with the host key as it stands on the wire, in each key exchange. */
  readonly isHostKey: (sshKey: Buffer) => boolean;
  readonly keepaliveMs: number;
  readonly signal: AbortSignal;
}

/** What went wrong with a log-in, for who has to explain it. */
export type LoginFailure = "host-key" | "refused" | "broken";

export class LoginError extends Error {
  readonly failure: LoginFailure;

  constructor(failure: LoginFailure, message: string, cause?: unknown) {
    super(message, { cause });
    this.failure = failure;
  }
}

/** A log-in over `underlay`, which is destroyed when it does not come about. @throws LoginError */
export async function logIn(underlay: Underlay, options: LoginOptions): Promise<Client> {
  const { signal } = options;
  const client = new Client();
  let isHostKeyWrong = false;
  // ssh2 may tell of more than one error, and one without a listener would end the process.
  client.on("error", () => underlay.destroy());
  const abort = () => underlay.destroy();
  signal.addEventListener("abort", abort, { once: true });
  try {
    signal.throwIfAborted();
    const ready = becomesReady(client);
    client.connect({
      // The types name a narrower stream than ssh2 takes.
      sock: underlay,
      username: options.username,
      privateKey: options.privateKey,
      authHandler: ["publickey"],
      algorithms: options.algorithms,
      hostVerifier: (key: Buffer) => {
        isHostKeyWrong = !options.isHostKey(key);
        return !isHostKeyWrong;
      },
      ident: SSH_IDENT,
      keepaliveInterval: options.keepaliveMs,
      keepaliveCountMax: KEEPALIVE_COUNT_NEVER,
      readyTimeout: 0,
    });
    await ready;
    return client;
  } catch (failure) {
    underlay.destroy();
    if (isHostKeyWrong) throw new LoginError("host-key", "the host key is another one", failure);
    if (isLoginRefused(failure)) throw new LoginError("refused", "the log-in was refused", failure);
    throw new LoginError("broken", failure instanceof Error ? failure.message : String(failure), failure);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function becomesReady(client: Client): Promise<void> {
  return new Promise((resolve, reject) => {
    client.once("ready", resolve);
    client.once("error", reject);
    client.once("close", () => reject(new Error("the connection was closed")));
  });
}

function isLoginRefused(failure: unknown): boolean {
  return failure instanceof Error && "level" in failure && failure.level === "client-authentication";
}

/** Opens the subsystem of our server. */
export function openSubsystem(client: Client): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    client.once("close", () => reject(new Error("the connection was closed")));
    client.subsys(SUBSYSTEM, (failure, channel) => {
      if (failure === undefined) resolve(channel);
      else reject(failure);
    });
  });
}
