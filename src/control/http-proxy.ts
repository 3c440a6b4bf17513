import { isIP } from "node:net";
import { MeshError } from "../base/errors.ts";
import type { SocketTarget } from "../host/tcp.ts";
import { parseAddress } from "../packet/address.ts";
import { cidrContainsAddress, parseCidr } from "../packet/cidr.ts";

const DEFAULT_PORT = 80;

/** An HTTP proxy, and what is reached without it. */
export interface HttpProxy extends SocketTarget {
  /** Value of `Proxy-Authorization` (RFC 7617), null without a user. */
  readonly authorization: string | null;
  bypasses(target: SocketTarget): boolean;
}

/**
 * The proxy that `HTTPS_PROXY` names, with the exceptions of `NO_PROXY`, each also in small letters (those win); undefined
 * when there is none.
 * @throws MeshError `proxy-failed`
 */
export function proxyOfEnvironment(environment: NodeJS.ProcessEnv): HttpProxy | undefined {
  const url = environment.https_proxy || environment.HTTPS_PROXY;
  if (url === undefined || url === "") return undefined;
  return parseProxy(url, environment.no_proxy || environment.NO_PROXY || "");
}

/**
 * @param url `http://USER:PASSWORD@HOST:PORT`; scheme, user and port may be left out
 * @param exceptions `NO_PROXY`: names (with all names below), addresses, CIDRs, each with a port or without, or `*`
 * @throws MeshError `proxy-failed`
 */
export function parseProxy(url: string, exceptions: string): HttpProxy {
  // The URL may hold a password, so it is never shown.
  let parsed: URL;
  try {
    parsed = new URL(url.includes("://") ? url : `http://${url}`);
  } catch {
    throw new MeshError("proxy-failed", "HTTPS_PROXY is no URL");
  }
  if (parsed.protocol !== "http:" || parsed.hostname === "") {
    throw new MeshError("proxy-failed", `HTTPS_PROXY names no http:// proxy but ${parsed.protocol}//`);
  }
  const { hostname, port, username, password } = parsed;
  const rules = exceptions.split(/[\s,]+/).filter((rule) => rule !== "");
  return {
    host: hostname.replace(/^\[|\]$/g, ""),
    port: port === "" ? DEFAULT_PORT : Number(port),
    authorization: username === "" ? null : basicAuthorization(username, password),
    bypasses: (target) => isLoopback(target.host) || rules.some((rule) => isException(rule.toLowerCase(), target)),
  };
}

function basicAuthorization(username: string, password: string): string {
  let credentials: string;
  try {
    credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  } catch {
    throw new MeshError("proxy-failed", "user or password in HTTPS_PROXY are not properly encoded");
  }
  return `Basic ${Buffer.from(credentials).toString("base64")}`;
}

function isException(rule: string, target: SocketTarget): boolean {
  if (rule === "*") return true;
  const host = target.host.toLowerCase().replace(/\.$/, "");
  const { name, port } = splitPort(rule);
  if (port !== undefined && port !== target.port) return false;
  if (isIP(host) !== 0) return matchesAddress(name, host);
  const domain = name.replace(/^\*?\./, "");
  return host === domain || host.endsWith(`.${domain}`);
}

function matchesAddress(rule: string, host: string): boolean {
  try {
    const bits = isIP(rule) === 4 ? "/32" : isIP(rule) === 6 ? "/128" : "";
    return cidrContainsAddress(parseCidr(rule + bits), parseAddress(host));
  } catch {
    // A name, not an address: it does not match one.
    return false;
  }
}

function splitPort(rule: string): { name: string; port: number | undefined } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(rule);
  if (match === null) return { name: rule.replace(/^\[|\]$/g, ""), port: undefined };
  return { name: match[1] ?? match[2] ?? "", port: Number(match[3]) };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}
