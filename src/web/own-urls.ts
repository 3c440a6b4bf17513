import { isIP } from "node:net";
import { formatListenAddress, type ListenAddress } from "../api/listen-address.ts";
import { ownInterfaces } from "../host/own-interfaces.ts";

const MAX_URLS = 8;
const MAX_URL_LENGTH = 256;

/** URLs made of the addresses that we listen on, wildcards replaced by this machine's own, loopback only where it was named. */
export function deriveUrls(scheme: "http" | "https", addresses: readonly ListenAddress[]): readonly string[] {
  const urls = addresses.flatMap(({ host, port }) => {
    const hosts = host === "" || host === "::" ? ownAddresses() : host === "0.0.0.0" ? ownAddresses(4) : [host];
    return hosts.map((own) => `${scheme}://${formatListenAddress({ host: own, port })}`);
  });
  return [...new Set(urls)].filter((url) => url.length <= MAX_URL_LENGTH).slice(0, MAX_URLS);
}

/** Addresses by which others may reach this machine, IPv4 first; loopback when there are no others. */
function ownAddresses(family?: 4): readonly string[] {
  const all = Object.values(ownInterfaces()).flatMap((addresses) => addresses ?? []);
  const usable = all.filter(({ internal, address }) => !internal && !/^(fe80:|169\.254\.)/i.test(address));
  const sorted = usable.map(({ address }) => address).sort((a, b) => isIP(a) - isIP(b));
  const chosen = family === undefined ? sorted : sorted.filter((address) => isIP(address) === family);
  return chosen.length > 0 ? chosen : ["127.0.0.1"];
}
