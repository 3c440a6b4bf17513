import type { EndFacts } from "../../api/explain.ts";
import type { Sysctls } from "../../host/sysctl.ts";
import type { PacketPreview } from "../../router/tunnel/tunnel-inquiries.ts";
import type { Offers } from "../exit/offers.ts";

export interface ForwardingDeps {
  readonly offers: Pick<Offers, "carriage">;
  readonly sysctls: Pick<Sysctls, "read">;
}

/**
 * Whether this machine carries a peer's connection with an address that is no machine of the mesh.
 * @param preview of a packet that goes there; undefined where the connection comes from there
 */
export async function carriageFacts(
  address: string,
  preview: Pick<PacketPreview, "isAccepted"> | undefined,
  { offers, sysctls }: ForwardingDeps,
): Promise<EndFacts["carried"]> {
  const [what, key] = address.includes(":")
    ? ["IPv6", "net.ipv6.conf.all.forwarding"]
    : ["IPv4", "net.ipv4.ip_forward"];
  const { isCarried, detail } = offers.carriage(address);
  if (preview !== undefined) {
    if (!preview.isAccepted || !isCarried) return { isCarried: false, detail: `dropped as in-not-for-us: ${detail}` };
  }
  const doesForward = (await sysctls.read(key)) === "1";
  if (!doesForward) return { isCarried: false, detail: `its host does not forward ${what}: ${key} is not 1` };
  return { isCarried: true, detail: preview === undefined ? "" : detail };
}
