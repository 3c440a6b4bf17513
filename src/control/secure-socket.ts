import type { Socket } from "node:net";
import { type ConnectionOptions, connect as tlsConnect } from "node:tls";
import { type Dial, eventOf, openTcp } from "../host/tcp.ts";
import { hostAndPort } from "./coordinator-url.ts";
import { tlsOptionsFor, tlsOptionsForName, type UsableTrust } from "./trust.ts";

export type Security =
  | UsableTrust
  /** Any certificate will do: for fetching a CA certificate whose hash is compared afterwards, and nothing else. */
  | { readonly kind: "unverified" }
  | { readonly kind: "plain" }
  /** A CA that we were told of, for one name, whatever host name leads there. */
  | { readonly kind: "named"; readonly caPem: string; readonly serverName: string };

/**
 * A connected socket to `url`, TLS inside unless `security` is plain. Rejects with what the system or TLS says
 * (`classifyConnectionFailure` explains it), and with the reason of `signal` when that aborts; nothing stays open then.
 */
export async function openSecureSocket(
  url: string,
  security: Security,
  dial: Dial,
  signal: AbortSignal,
): Promise<Socket> {
  const target = hostAndPort(url);
  // TLS waits until TCP is connected: while Node tries several addresses it replaces the handle that TLS would hold.
  const socket = await openTcp(dial, target, signal);
  if (security.kind === "plain") return socket;
  const secure = tlsConnect({ socket, ...tlsOptionsOf(security, target.host) });
  // Stays: an error that nobody hears would end the process.
  secure.on("error", () => secure.destroy());
  try {
    await eventOf(secure, "secureConnect", signal);
  } catch (failure) {
    secure.destroy();
    socket.destroy();
    throw failure;
  }
  return secure;
}

function tlsOptionsOf(security: Exclude<Security, { kind: "plain" }>, host: string): ConnectionOptions {
  switch (security.kind) {
    case "unverified":
      return { host, rejectUnauthorized: false };
    case "named":
      return tlsOptionsForName(security.caPem, security.serverName);
    default:
      return tlsOptionsFor(security, host);
  }
}
