import type { IpRoute } from "../../host/ip-route.ts";
import { isTcpPortTaken, isUdpPortTaken } from "../free-port.ts";
import { type ChosenSettings, DEFAULT_SETTINGS, type Settings } from "../networks/network-state.ts";

const USUAL_SSH_PORT = DEFAULT_SETTINGS.sshPorts[0]!;

/** What is in use already, in the kernel and by what other networks of this host keep for themselves. */
export interface TakenSettings {
  /** Of other networks that this machine has joined. */
  readonly others: readonly Settings[];
  readonly ipRoute: Pick<IpRoute, "links">;
}

/**
 * What a network has in place of the defaults, which all networks of a host would share: an interface of a free name, and
 * ports that no other network keeps. A port that another program has is no reason to take the next one: who is to reach this
 * machine at the usual port should hear of that.
 * @param before what was chosen the last time; as much of it as is free stays
 */
export async function chooseOwnSettings(
  before: ChosenSettings | undefined,
  { others, ipRoute }: TakenSettings,
): Promise<ChosenSettings> {
  const links = (await ipRoute.links()).map(({ name }) => name);
  const names = new Set([...links, ...others.map((other) => other.interface)]);
  const wanted = before?.interface ?? DEFAULT_SETTINGS.interface;
  const interfaceName = names.has(wanted) ? `mesh${await firstFree(0, (n) => !names.has(`mesh${n}`))}` : wanted;
  const listenPort = await ownPort(
    before?.listenPort ?? DEFAULT_SETTINGS.listenPort,
    others.map((other) => other.listenPort),
    isUdpPortTaken,
  );
  const sshPort = await ownPort(
    before?.sshPorts?.[0] ?? USUAL_SSH_PORT,
    others.flatMap((other) => other.sshPorts),
    isTcpPortTaken,
  );
  return {
    ...unlessUsual("interface", interfaceName),
    ...unlessUsual("listenPort", listenPort),
    ...(sshPort === USUAL_SSH_PORT ? {} : { sshPorts: [sshPort] }),
  };
}

function unlessUsual<Name extends "interface" | "listenPort">(name: Name, value: Settings[Name]): ChosenSettings {
  return value === DEFAULT_SETTINGS[name] ? {} : { [name]: value };
}

async function ownPort(
  wanted: number,
  ofOthers: readonly number[],
  isTaken: (port: number) => Promise<boolean>,
): Promise<number> {
  if (!ofOthers.includes(wanted)) return wanted;
  return firstFree(wanted + 1, async (port) => !ofOthers.includes(port) && !(await isTaken(port)));
}

async function firstFree(from: number, isFree: (n: number) => boolean | Promise<boolean>): Promise<number> {
  for (let n = from; ; n++) if (await isFree(n)) return n;
}
