import { createSocket, type Socket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { isIPv6 } from "node:net";
import { formatListenAddress, type ListenAddress } from "../../api/listen-address.ts";
import { errnoOf, MeshError } from "../../base/errors.ts";
import { ownInterfaces } from "../../host/own-interfaces.ts";

/** UDP sockets of single addresses, where a wildcard is asked for. */

const FREE_PORT_ATTEMPTS = 20;
/** An address that is gone meanwhile, or not usable yet; a family that the kernel has no sockets of. */
const UNUSABLE: ReadonlySet<string> = new Set(["EADDRNOTAVAIL", "EAFNOSUPPORT"]);

/**
 * Binds every address that `wanted` stands for and that `sockets` (by the keys of `bindings`) does not hold yet. What was
 * bound before a failure is in `sockets`, for the caller to close.
 * @returns `wanted`, with the port taken and a host name resolved
 * @throws MeshError `port-in-use`, `not-permitted`, `bad-config`
 */
export async function bindEach({ host, port }: ListenAddress, sockets: Map<string, Socket>): Promise<ListenAddress> {
  const wanted = { host: isWildcard(host) ? host : await resolve(host), port };
  return port === 0 ? bindToFreePort(wanted, sockets) : bindAll(wanted, sockets);
}

/** The single addresses that a listen address stands for at this moment, by a key of their own. */
export function bindings({ host, port }: ListenAddress): Map<string, ListenAddress> {
  const hosts = isWildcard(host) ? ownAddresses(host === "0.0.0.0") : [host];
  return new Map(hosts.map((own) => [`${own} ${port}`, { host: own, port }]));
}

/** Takes one address. Rejects with the system's error. */
export function bind({ host, port }: ListenAddress): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(host) ? { type: "udp6", ipv6Only: true } : { type: "udp4" });
    const onError = (cause: Error) => {
      socket.close();
      reject(cause);
    };
    socket.once("error", onError);
    socket.bind({ address: host, port, exclusive: true }, () => {
      socket.off("error", onError);
      resolve(socket);
    });
  });
}

export function closeSocket(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.close(() => resolve()));
}

async function bindAll(wanted: ListenAddress, sockets: Map<string, Socket>): Promise<ListenAddress> {
  for (const [key, binding] of bindings(wanted)) {
    if (sockets.has(key)) continue;
    try {
      sockets.set(key, await bind(binding));
    } catch (cause) {
      if (isWildcard(wanted.host) && UNUSABLE.has(errnoOf(cause) ?? "")) continue;
      throw bindError(wanted, cause);
    }
  }
  return wanted;
}

/** The same port for all addresses: one that is free for the first may be taken for another. */
async function bindToFreePort(wanted: ListenAddress, sockets: Map<string, Socket>): Promise<ListenAddress> {
  for (let attempt = 1; ; attempt++) {
    const fresh = new Map<string, Socket>();
    try {
      const bound = await bindAll({ ...wanted, port: await freePort(wanted) }, fresh);
      for (const [key, socket] of fresh) sockets.set(key, socket);
      return bound;
    } catch (failure) {
      await Promise.all(Array.from(fresh.values(), closeSocket));
      if (attempt === FREE_PORT_ATTEMPTS || !(failure instanceof MeshError) || failure.code !== "port-in-use")
        throw failure;
    }
  }
}

async function freePort(wanted: ListenAddress): Promise<number> {
  const [first] = bindings(wanted);
  if (first === undefined) throw new MeshError("bad-config", "this machine has no address to listen on");
  try {
    const socket = await bind(first[1]);
    const { port } = socket.address();
    await closeSocket(socket);
    return port;
  } catch (cause) {
    throw bindError(wanted, cause);
  }
}

function isWildcard(host: string): boolean {
  return host === "" || host === "::" || host === "0.0.0.0";
}

/** Without link-local ones: nobody is told of these. */
function ownAddresses(ipv4Only: boolean): readonly string[] {
  const all = Object.values(ownInterfaces()).flatMap((addresses) => addresses ?? []);
  const usable = all.filter(({ family, address }) => (family === "IPv4" || !ipv4Only) && !/^fe80:/i.test(address));
  return [...new Set(usable.map(({ address }) => address))];
}

/** @throws MeshError `bad-config` */
async function resolve(host: string): Promise<string> {
  try {
    return (await lookup(host)).address;
  } catch (cause) {
    throw new MeshError("bad-config", `cannot listen on ${host}: there is no such host`, { cause });
  }
}

function bindError(wanted: ListenAddress, cause: unknown): MeshError {
  const address = `${formatListenAddress(wanted)}/udp`;
  switch (errnoOf(cause)) {
    case "EADDRINUSE":
      return new MeshError("port-in-use", `${address} (STUN) is in use by another program`, {
        cause,
        hint: "Stop the other program, choose another address with `--stun-listen`, or give `--stun-listen off`.",
      });
    case "EACCES":
      return new MeshError("not-permitted", `not permitted to listen on ${address} (STUN)`, {
        cause,
        hint: "Ports below 1024 need root or CAP_NET_BIND_SERVICE.",
      });
    default:
      return new MeshError("bad-config", `cannot listen on ${address} (STUN): ${cause}`, { cause });
  }
}
