import type { Socket } from "node:net";
import { connect as tlsConnect } from "node:tls";
import { hostAndPort } from "./coordinator-url.ts";
import type { SocketFactory } from "./socket-factory.ts";
import { tlsOptionsFor, type UsableTrust } from "./trust.ts";

export type Security =
  | UsableTrust
  /** Any certificate will do: for fetching a CA certificate whose hash is compared afterwards, and nothing else. */
  | { readonly kind: "unverified" }
  | { readonly kind: "plain" };

/** A connecting socket to the coordinator at `url`, TLS inside unless `security` is plain. */
export function openSecureSocket(url: string, security: Security, socketFactory: SocketFactory): Socket {
  const target = hostAndPort(url);
  const socket = socketFactory(target);
  if (security.kind === "plain") return socket;
  const secure =
    security.kind === "unverified"
      ? tlsConnect({ socket, host: target.host, rejectUnauthorized: false })
      : tlsConnect({ socket, ...tlsOptionsFor(security, target.host) });
  // TLS over a given socket does not take over the errors of a connect that is still under way.
  socket.once("error", (failure) => secure.destroy(failure));
  return secure;
}
