import { asciiLowerCase } from "../../base/ascii-case.ts";
import type { DnsServerAddress, DnsSockets } from "../../host/dns-exchange.ts";
import { DNS_PORT } from "../constants.ts";

/** To whom names below a suffix are passed on. */
export interface ForwardRoute {
  /** In lower case; empty: every name. */
  readonly suffix: string;
  /** Asked in this order. */
  readonly servers: readonly DnsServerAddress[];
  /** Towards the underlay, or as a program of this host would. */
  readonly sockets: DnsSockets;
}

/** The route of the longest suffix that the name, in any case, ends in; undefined where nobody is to be asked. */
export function routeOf<Route extends Pick<ForwardRoute, "suffix">>(
  name: string,
  routes: readonly Route[],
): Route | undefined {
  const key = asciiLowerCase(name);
  const fitting = routes.filter(({ suffix }) => suffix === "" || key === suffix || key.endsWith(`.${suffix}`));
  return fitting.reduce<Route | undefined>(
    (best, route) => (best === undefined || route.suffix.length > best.suffix.length ? route : best),
    undefined,
  );
}

/** `192.0.2.53`, or with a port after `#`. */
export function parseServer(text: string): DnsServerAddress {
  const [address = "", port] = text.split("#");
  return { address, port: port === undefined ? DNS_PORT : Number(port) };
}

export function serverText({ address, port }: DnsServerAddress): string {
  return port === DNS_PORT ? address : `${address}#${port}`;
}
