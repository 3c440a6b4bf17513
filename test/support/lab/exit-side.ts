import { fileURLToPath } from "node:url";
import { eventually } from "./eventually.ts";
import type { LabHost } from "./lab-host.ts";
import type { SmallNetwork } from "./small-network.ts";

const whoAsks = fileURLToPath(new URL("./who-asks.mjs", import.meta.url));

/** A network behind `router` with one host on it, which tells who asks. */
export async function networkBehind(
  net: SmallNetwork,
  router: LabHost,
  {
    label,
    device,
    addresses,
  }: { label: string; device: string; addresses: Record<"router" | "host", readonly string[]> },
): Promise<LabHost> {
  const segment = await net.lab.segment(label);
  const host = await net.lab.host(label);
  await segment.attach(router, device, addresses.router);
  await segment.attach(host, "eth0", addresses.host);
  const service = await host.start(process.execPath, [whoAsks]);
  await service.waitForOutput(/listening/);
  return host;
}

export const WEB = { 4: "198.51.100.7", 6: "2001:db8:100::7" } as const;
/** The router in front of it. */
export const ROUTER_OUTSIDE = { 4: "198.51.100.1", 6: "2001:db8:100::1" } as const;

/** An internet behind `router`, with a web server. */
export async function internetBehind(net: SmallNetwork, router: LabHost): Promise<void> {
  await networkBehind(net, router, {
    label: "web",
    device: "eth1",
    addresses: {
      router: [`${ROUTER_OUTSIDE[4]}/24`, `${ROUTER_OUTSIDE[6]}/64`],
      host: [`${WEB[4]}/24`, `${WEB[6]}/64`],
    },
  });
  await router.ip("route", "add", "default", "via", WEB[4]);
  await router.ip("-6", "route", "add", "default", "via", WEB[6]);
}

/** As whom `host` comes to the web server at `address`; undefined where it does not. */
export async function seenAt(host: LabHost, address: string): Promise<string | undefined> {
  const url = `http://${address.includes(":") ? `[${address}]` : address}/`;
  const { status, stdout } = await host.run("curl", "-s", "--max-time", "1", url);
  return status === 0 ? stdout : undefined;
}

export const reaches = (host: LabHost, address: string, as: string) =>
  eventually(`${host.label} comes to ${address} as ${as}`, async () => (await seenAt(host, address)) === as, {
    timeoutMs: 20_000,
  });
