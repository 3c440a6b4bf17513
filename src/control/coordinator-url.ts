import { isIP } from "node:net";
import { MeshError } from "../base/errors.ts";

const DEFAULT_PORT = 8443;

/**
 * A coordinator's address as people write it, made whole: no scheme means https, no port means 8443. Plain http is taken
 * on loopback only, where a TLS-terminating proxy may stand in front of the coordinator.
 *
 * @throws MeshError `bad-usage`
 */
export function normalizeCoordinatorUrl(text: string): string {
  const trimmed = text.trim();
  const bad = (why: string) =>
    new MeshError("bad-usage", `this is no coordinator address: ${JSON.stringify(trimmed)}: ${why}`, {
      hint: "Give HOST, HOST:PORT or https://HOST:PORT.",
    });
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(trimmed)?.[1]?.toLowerCase();
  // A bare IPv6 address has no place for a port, so it may go without brackets.
  const authority = isIP(trimmed) === 6 ? `[${trimmed}]` : trimmed;
  let url: URL;
  try {
    url = new URL(scheme === undefined ? `https://${authority}` : trimmed);
  } catch {
    throw bad("it cannot be read");
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") throw bad(`${url.protocol}// is not spoken here`);
  if (url.hostname === "") throw bad("it names no host");
  if (url.username !== "" || url.password !== "") throw bad("it must not carry a password");
  if (url.search !== "" || url.hash !== "" || url.pathname.replaceAll("/", "") !== "") {
    throw bad("it must not have a path");
  }
  if (url.protocol === "http:" && !isLoopback(url.hostname)) {
    throw bad("plain http is accepted to this machine only; use https");
  }
  const port = explicitPort(trimmed, url) ?? DEFAULT_PORT;
  return `${url.protocol}//${url.hostname}:${port}`;
}

/** `host` and `port` of a normalised URL; a v6 host without its brackets. */
export function hostAndPort(url: string): { host: string; port: number } {
  const { hostname, port, protocol } = new URL(url);
  const fallback = protocol === "http:" ? 80 : 443;
  return { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? fallback : Number(port) };
}

/** `URL` drops the scheme's default port, so whether one was written has to be read from the text. */
function explicitPort(text: string, url: URL): number | undefined {
  if (url.port !== "") return Number(url.port);
  const written = /:(\d+)\/*$/.exec(isIP(text) === 6 ? "" : text);
  return written === null ? undefined : Number(written[1]);
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || (isIP(hostname) === 4 && hostname.startsWith("127."));
}
