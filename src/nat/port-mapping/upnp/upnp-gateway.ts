import { isIPv4 } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Dial } from "../../../host/tcp.ts";
import type { OpenUdp } from "../../../host/udp.ts";
import { type GatewayAnswer, granted, LIFETIME_SECONDS } from "../gateway-protocol.ts";
import type { UpnpQuery } from "../port-mapper.ts";
import { GatewayDoor } from "./gateway-door.ts";
import { gatewaySearches, locationIn, SSDP_GROUP, SSDP_PORT } from "./ssdp.ts";

/** Waits after each search, ms. */
const SEARCH_WAITS_MS = [400, 800, 1500];
/** Other external ports to try when ours is somebody's. */
const OTHER_PORTS = 2;
const FIRST_EPHEMERAL_PORT = 49_152;
const DESCRIPTION = "mesh";

export interface UpnpDeps {
  /** Both towards the gateway. */
  readonly openUdp: OpenUdp;
  readonly dial: Dial;
}

type Argument = readonly [name: string, value: string];
type Run = (action: string, args: readonly Argument[]) => Promise<unknown>;

/**
 * Maps one UDP port by UPnP at an Internet Gateway Device of either version (UPnP WANIPConnection:1 §2.4, :2 §2.5). Only the
 * gateway itself is believed and spoken to: its answer to the search, its description, its control URL.
 * @returns null when no gateway of this kind answers
 * @throws whatever the gateway or the library come up with
 */
export async function mapByUpnp(query: UpnpQuery, deps: UpnpDeps, signal: AbortSignal): Promise<GatewayAnswer | null> {
  const location = await findGateway(query, deps.openUdp, signal);
  if (location === undefined) return null;
  return withGateway(location, deps.dial, signal, async (run) => {
    const port = await addMapping(query, run);
    const answer = await run("GetExternalIPAddress", []);
    const address = textIn(answer, "NewExternalIPAddress");
    return granted({ address: isIPv4(address) ? address : "0.0.0.0", port }, LIFETIME_SECONDS);
  });
}

/** Gives the mapping of this external port back. */
export async function unmapByUpnp(query: UpnpQuery, deps: UpnpDeps, signal: AbortSignal): Promise<void> {
  const location = await findGateway(query, deps.openUdp, signal);
  const port = query.previous?.port;
  if (location === undefined || port === undefined) return;
  await withGateway(location, deps.dial, signal, (run) => run("DeletePortMapping", mappingName(port)));
}

/** Searches by multicast and at the gateway alone, from our address towards it: through no other interface. */
async function findGateway(query: UpnpQuery, openUdp: OpenUdp, signal: AbortSignal): Promise<URL | undefined> {
  const { gateway, localAddress } = query;
  const socket = openUdp(localAddress);
  const found = new AbortController();
  let location: URL | undefined;
  socket.on("error", (failure) => found.abort(failure));
  socket.on("message", (bytes, { address }) => {
    if (address !== gateway) return;
    location ??= locationIn(bytes, gateway);
    if (location !== undefined) found.abort();
  });
  socket.on("listening", () => socket.setMulticastInterface(localAddress));
  const until = AbortSignal.any([signal, found.signal]);
  try {
    for (const waitMs of SEARCH_WAITS_MS) {
      for (const to of [gateway, SSDP_GROUP])
        for (const search of gatewaySearches()) socket.send(search, SSDP_PORT, to, () => undefined);
      await delay(waitMs, undefined, { signal: until }).catch(() => undefined);
      if (until.aborted) break;
    }
  } finally {
    socket.close();
  }
  signal.throwIfAborted();
  return location;
}

async function withGateway<T>(
  location: URL,
  dial: Dial,
  signal: AbortSignal,
  act: (run: Run) => Promise<T>,
): Promise<T> {
  const { default: Device } = await import("@silentbot1/nat-api/lib/upnp/device.js");
  const { hostname: host, port, pathname, search } = location;
  const door = await GatewayDoor.open({ host, port: Number(port || 80) }, dial, signal);
  try {
    const device = new Device({ url: `${door.origin}${pathname}${search}` });
    const service = await abortable(device._getService(device.services), signal);
    // The library would go wherever the description says, and read it anew for each call.
    const control = new URL(service.controlURL);
    if (control.origin !== location.origin && control.origin !== door.origin)
      throw new Error("the gateway's description leads elsewhere");
    const controlURL = `${door.origin}${control.pathname}${control.search}`;
    device._getService = async () => ({ ...service, controlURL });
    return await act((action, args) => abortable(device.run(action, args), signal));
  } finally {
    door[Symbol.dispose]();
  }
}

/** @returns the external port */
async function addMapping({ localAddress, internalPort, previous }: UpnpQuery, run: Run): Promise<number> {
  const others = Array.from({ length: OTHER_PORTS }, () => {
    return FIRST_EPHEMERAL_PORT + Math.floor(Math.random() * (65_536 - FIRST_EPHEMERAL_PORT));
  });
  let failure: unknown;
  for (const port of [previous?.port ?? internalPort, ...others]) {
    const add = (lifetimeSeconds: number) =>
      run("AddPortMapping", [
        ...mappingName(port),
        ["NewInternalPort", String(internalPort)],
        ["NewInternalClient", localAddress],
        ["NewEnabled", "1"],
        ["NewPortMappingDescription", DESCRIPTION],
        ["NewLeaseDuration", String(lifetimeSeconds)],
      ]);
    try {
      // Some gateways of the first version know mappings without an end only.
      await add(LIFETIME_SECONDS).catch((thrown: unknown) => {
        if (/permanent lease/.test(String(thrown))) return add(0);
        throw thrown;
      });
      return port;
    } catch (thrown) {
      failure = thrown;
      if (!/conflict/.test(String(thrown))) break;
    }
  }
  throw failure;
}

function mappingName(port: number): readonly Argument[] {
  return [
    ["NewRemoteHost", ""],
    ["NewExternalPort", String(port)],
    ["NewProtocol", "UDP"],
  ];
}

/** The text of this element of the one response in a SOAP body, as xml2js has it; empty where there is none. */
function textIn(body: unknown, name: string): string {
  if (typeof body !== "object" || body === null) return "";
  for (const response of Object.values(body)) {
    if (typeof response !== "object" || response === null) continue;
    const value: unknown = Reflect.get(response, name);
    if (typeof value === "string") return value.trim();
  }
  return "";
}

/** Fetches of the library end with the door; nobody waits for them longer than for that. */
function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
    if (signal.aborted) onAbort();
  });
}
