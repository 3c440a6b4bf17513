import { createServer as createHttpServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { createServer as createHttpsServer, Server as HttpsServer } from "node:https";
import type { Duplex } from "node:stream";
import { formatListenAddress, type ListenAddress } from "../api/listen-address.ts";
import { errnoOf, MeshError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { GracefulServer, type ServerLimits } from "./graceful-server.ts";

export interface TlsMaterial {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

export interface ListenersOptions {
  readonly listen: readonly ListenAddress[];
  /** By which a person says where. Default: `--listen`. */
  readonly flag?: string;
  /** Undefined: plain HTTP. */
  readonly tls: TlsMaterial | undefined;
  readonly limits: ServerLimits;
  readonly logger: Logger;
  readonly onRequest: RequestListener;
  onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

const MAX_HEADER_BYTES = 16 * 1024;
const BACKLOG = 1024;
const MIN_TLS_VERSION = "TLSv1.2";

/** The servers of one API, one for each address. */
export class Listeners {
  readonly addresses: readonly ListenAddress[];
  #servers: readonly GracefulServer[];

  private constructor(servers: readonly GracefulServer[], addresses: readonly ListenAddress[]) {
    this.#servers = servers;
    this.addresses = addresses;
  }

  /** Opens all or none. @throws MeshError `port-in-use`, `not-permitted`, `bad-config` */
  static async open(options: ListenersOptions): Promise<Listeners> {
    const servers: GracefulServer[] = [];
    const addresses: ListenAddress[] = [];
    try {
      for (const wanted of options.listen) {
        const server = makeServer(options);
        addresses.push(await listenOn(server.server, wanted, options));
        servers.push(server);
      }
    } catch (failure) {
      await Promise.all(servers.map((server) => server.close()));
      throw failure;
    }
    return new Listeners(servers, addresses);
  }

  /** Takes a renewed certificate into use for the connections to come. */
  useCertificate({ certificatePem, privateKeyPem }: TlsMaterial): void {
    for (const { server } of this.#servers) {
      if (!(server instanceof HttpsServer)) continue;
      server.setSecureContext({ cert: certificatePem, key: privateKeyPem, minVersion: MIN_TLS_VERSION });
    }
  }

  /** No new connections; requests in flight end, or are cut when they take too long. */
  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.close()));
  }
}

type Asked = ListenAddress & { readonly flag: string };

function makeServer({ tls, limits, logger, onRequest, onUpgrade }: ListenersOptions): GracefulServer {
  const common = {
    maxHeaderSize: MAX_HEADER_BYTES,
    connectionsCheckingInterval: Math.min(2_000, limits.requestTimeoutMs),
  };
  let server: Server;
  try {
    server =
      tls === undefined
        ? createHttpServer(common, onRequest)
        : createHttpsServer(
            {
              ...common,
              cert: tls.certificatePem,
              key: tls.privateKeyPem,
              minVersion: MIN_TLS_VERSION,
              handshakeTimeout: 10_000,
              ALPNProtocols: ["http/1.1"],
            },
            onRequest,
          );
  } catch (cause) {
    throw new MeshError("bad-config", "the certificate or its key cannot be used", { cause });
  }
  server.on("upgrade", onUpgrade);
  return new GracefulServer(server, limits, logger);
}

async function listenOn(
  server: Server,
  wanted: ListenAddress,
  { listen: all, flag = "--listen" }: ListenersOptions,
): Promise<ListenAddress> {
  const { port } = wanted;
  const asked = { ...wanted, flag };
  if (wanted.host !== "") {
    // Linux lets :: take IPv4 along; not where the same port is asked for on 0.0.0.0 as well.
    const ipv6Only = all.some((other) => other.host === "0.0.0.0" && other.port === port && port !== 0);
    return { host: wanted.host, port: await listen(server, { host: wanted.host, port, ipv6Only }, asked) };
  }
  try {
    return { host: "", port: await listen(server, { host: "::", port }, asked) };
  } catch (failure) {
    const isWithoutIpv6 =
      failure instanceof MeshError && ["EAFNOSUPPORT", "EADDRNOTAVAIL"].includes(errnoOf(failure.cause) ?? "");
    if (!isWithoutIpv6) throw failure;
    return { host: "0.0.0.0", port: await listen(server, { host: "0.0.0.0", port }, asked) };
  }
}

function listen(
  server: Server,
  options: { host: string; port: number; ipv6Only?: boolean },
  wanted: Asked,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const onError = (cause: Error) => reject(listenError(wanted, cause));
    server.once("error", onError);
    server.listen({ ...options, backlog: BACKLOG }, () => {
      server.off("error", onError);
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : options.port);
    });
  });
}

function listenError(wanted: Asked, cause: Error): MeshError {
  const address = formatListenAddress(wanted);
  switch (errnoOf(cause)) {
    case "EADDRINUSE":
      return new MeshError("port-in-use", `${address} is in use by another program`, {
        cause,
        hint: `Stop the other program, or choose another address with \`${wanted.flag}\`.`,
      });
    case "EACCES":
      return new MeshError("not-permitted", `not permitted to listen on ${address}`, {
        cause,
        hint: "Ports below 1024 need root or CAP_NET_BIND_SERVICE.",
      });
    default:
      return new MeshError("bad-config", `cannot listen on ${address}: ${cause.message}`, { cause });
  }
}
