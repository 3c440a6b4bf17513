import type { DaemonState, Status } from "../api/local.ts";
import { asMeshError, MeshError } from "../base/errors.ts";
import { nearestWord } from "../base/nearest-word.ts";
import { type Home, listNetworks, networkPaths, selectNetwork } from "../daemon/networks/home.ts";
import { NetworkState } from "../daemon/networks/network-state.ts";
import { LocalClient } from "./clients/local-client.ts";

/** A network that this machine has joined. What this user may not know is null. */
export interface Context {
  readonly name: string;
  readonly current: boolean;
  readonly state: DaemonState | null;
  readonly interface: string | null;
  readonly ip4: string | null;
  readonly ip6: string | null;
  readonly coordinator: string | null;
}

export interface ContextDetails extends Context {
  /** What this machine is called in it. */
  readonly peer: string | null;
  readonly domain: string | null;
  readonly ranges: readonly string[] | null;
  readonly listenPort: number | null;
  readonly sshPorts: readonly number[] | null;
  readonly directory: string;
  readonly socket: string;
}

/**
 * @param said the network that environment or configuration file name
 * @throws MeshError `not-permitted` where this user may see none
 */
export function listContexts(home: Home, said: string | undefined): Promise<Context[]> {
  const current = currentOf(home, said);
  return Promise.all(listNetworks(home).map((name) => contextOf(home, name, current)));
}

/** As `listContexts`. */
export async function showContext(home: Home, name: string, said: string | undefined): Promise<ContextDetails> {
  const context = await contextOf(home, name, currentOf(home, said));
  const { directory, socketPath } = networkPaths(home, name);
  const { enrolment, settings, self } = await onDisk(home, name);
  return {
    ...context,
    peer: self?.name ?? null,
    domain: enrolment?.network.domain ?? null,
    ranges: enrolment === undefined ? null : [enrolment.network.cidr4, enrolment.network.cidr6],
    listenPort: settings?.listenPort ?? null,
    sshPorts: settings?.sshPorts ?? null,
    directory,
    socket: socketPath,
  };
}

/** @throws MeshError `not-found`, with the one that may be meant */
export function requireContext(home: Home, name: string): void {
  const known = listNetworks(home);
  if (known.includes(name)) return;
  const nearest = nearestWord(name, known);
  const meant = nearest === undefined ? "" : `Did you mean ${nearest}? `;
  const joined = known.length === 0 ? "None is joined: `mesh join TOKEN`." : `Joined are: ${known.join(", ")}.`;
  throw new MeshError("not-found", `this machine has joined no network called ${name}`, { hint: `${meant}${joined}` });
}

/** The network that commands mean now; undefined where they need to be told. */
export function currentOf(home: Home, said: string | undefined): string | undefined {
  try {
    return selectNetwork(home, said);
  } catch (failure) {
    if (asMeshError(failure).code !== "bad-usage") throw failure;
    return undefined;
  }
}

async function contextOf(home: Home, name: string, current: string | undefined): Promise<Context> {
  const status = await statusOf(home, name);
  const { settings } = status?.interface == null ? await onDisk(home, name) : {};
  return {
    name,
    current: name === current,
    state: status?.state ?? null,
    interface: status?.interface ?? settings?.interface ?? null,
    ip4: status?.self?.ip4 ?? null,
    ip6: status?.self?.ip6 ?? null,
    coordinator: status?.coordinator?.url ?? null,
  };
}

/** Of the daemon, else of the disk; undefined where this user may ask neither, or what is there is damaged. */
async function statusOf(home: Home, name: string): Promise<Status | undefined> {
  try {
    return await new LocalClient(home, name).status();
  } catch (failure) {
    if (asMeshError(failure).code !== "no-daemon") return undefined;
  }
  const { statusFromDisk } = await import("../daemon/networks/status-from-disk.ts");
  return statusFromDisk(home, name).catch(unreadable);
}

async function onDisk(home: Home, name: string) {
  const state = new NetworkState(networkPaths(home, name).directory);
  const [enrolment, settings] = await Promise.all([
    state.enrolment.read().catch(unreadable),
    state.settings.read().catch(unreadable),
  ]);
  return { enrolment, settings, self: enrolment?.self };
}

function unreadable(failure: unknown): undefined {
  const { code } = asMeshError(failure);
  if (code !== "not-permitted" && code !== "state-damaged") throw failure;
}
