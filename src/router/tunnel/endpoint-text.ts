import { isIP } from "node:net";
import { MeshError } from "../../base/errors.ts";
import type { UdpEndpoint } from "../../packet/endpoint.ts";

/** Parses `ADDRESS:PORT` or `[V6]:PORT` (a zone is allowed); names are not resolved here. @throws MeshError `bad-endpoint` */
export function parseEndpoint(text: string): UdpEndpoint {
  const match = /^(?:\[([^[\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const address = match?.[1] ?? match?.[2] ?? "";
  const port = Number(match?.[3]);
  const family = isIP(address);
  const isBracketed = match?.[1] !== undefined;
  if (family === 0 || (family === 6) !== isBracketed || !(port >= 1 && port <= 65_535))
    throw new MeshError("bad-endpoint", `not an endpoint: ${JSON.stringify(text)}`);
  return { address, port };
}

export function formatEndpoint(endpoint: UdpEndpoint): string {
  const { address, port } = endpoint;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
