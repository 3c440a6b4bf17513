import { isIP } from "node:net";
import { MeshError } from "../../base/errors.ts";
import type { SocketTarget } from "../../host/tcp.ts";

/** `ADDRESS:PORT` or `[V6]:PORT`, a zone allowed. @throws MeshError `bad-endpoint` */
export function parseTarget(endpoint: string): SocketTarget {
  const match = /^(?:\[([^[\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(endpoint);
  const host = match?.[1] ?? match?.[2] ?? "";
  const port = Number(match?.[3]);
  const isV6 = match?.[1] !== undefined;
  if (isIP(host) !== (isV6 ? 6 : 4) || !(port >= 1 && port <= 65_535))
    throw new MeshError("bad-endpoint", `not an endpoint: ${JSON.stringify(endpoint)}`);
  return { host, port };
}

export function formatTarget({ host, port }: SocketTarget): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
