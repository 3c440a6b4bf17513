import { MeshError } from "../../base/errors.ts";
import { TRANSPORT_NAMES, type TransportName } from "../../base/transports.ts";
import { canonicalCidr } from "../../packet/cidr.ts";

/** A parser for commander that takes whole numbers from `min` to `max`. */
export function integerOption(flag: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d{1,12}$/.test(text) || value < min || value > max) {
      throw new MeshError("bad-usage", `${flag} is a number from ${min} to ${max}, not ${JSON.stringify(text)}`);
    }
    return value;
  };
}

/** Collects an option that may be given several times. */
export function collect(value: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), value];
}

/** A parser for commander that collects ports, given several times or with commas between them; `off` alone is none. */
export function portsOption(flag: string, max: number): (text: string, previous?: readonly number[]) => number[] {
  const port = integerOption(flag, 1, 65535);
  return (text, previous) => {
    if (text === "off" && previous === undefined) return [];
    const ports = [...new Set([...(previous ?? []), ...text.split(",").map((word) => port(word.trim()))])];
    if (ports.length <= max && previous?.length !== 0) return ports;
    throw new MeshError("bad-usage", `${flag} takes up to ${max} ports, or off`);
  };
}

/** A parser for commander that collects networks, given several times or with commas between them; `off` alone is none. */
export function networksOption(flag: string, max: number): (text: string, previous?: readonly string[]) => string[] {
  return (text, previous) => {
    if (text === "off" && previous === undefined) return [];
    const networks = [...new Set([...(previous ?? []), ...text.split(",").map((word) => canonicalCidr(word.trim()))])];
    if (networks.length <= max && previous?.length !== 0) return networks;
    throw new MeshError("bad-usage", `${flag} takes up to ${max} networks, or off`);
  };
}

/** A parser for commander that takes a firewall mark as `wg` does: `off` (0), or a number, 0x… as well. */
export function fwmarkOption(flag: string): (text: string) => number {
  return (text) => {
    const value = text === "off" ? 0 : Number(text);
    if (text === "off" || (/^(?:0x[0-9a-f]{1,8}|\d{1,10})$/i.test(text) && value <= 0xffff_ffff)) return value;
    throw new MeshError("bad-usage", `${flag} is off, or a mark such as 0x2086, not ${JSON.stringify(text)}`);
  };
}

/** A parser for commander that takes names of transports with commas between them. */
export function transportsOption(flag: string): (text: string) => TransportName[] {
  return (text) => {
    const names = text.split(",").map((word) => transportOf(word.trim(), flag));
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice !== undefined) throw new MeshError("bad-transport", `${flag} names ${twice} twice`);
    return names;
  };
}

/** @throws MeshError `bad-transport` */
export function transportOf(word: string, flag: string): TransportName {
  const name = TRANSPORT_NAMES.find((known) => known === word.toLowerCase());
  if (name !== undefined) return name;
  throw new MeshError("bad-transport", `${flag}: there is no transport ${JSON.stringify(word)}`, {
    hint: `The transports are ${TRANSPORT_NAMES.join(", ")}; several have commas between them.`,
  });
}
