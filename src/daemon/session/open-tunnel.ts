import type { Clock } from "../../base/clock.ts";
import type { Logger } from "../../base/logger.ts";
import type { PeerKeys } from "../../control/peer-keys.ts";
import { Tunnel } from "../../router/tunnel/tunnel.ts";
import type { AeadProviderName } from "../../wireguard/aead/provider.ts";
import type { Enrolment, Settings } from "../networks/network-state.ts";

export interface OpenTunnelOptions {
  readonly enrolment: Enrolment;
  readonly settings: Settings;
  readonly keys: PeerKeys;
  readonly aeadProvider: AeadProviderName | "auto";
}

export async function openTunnel(
  { enrolment, settings, keys, aeadProvider }: OpenTunnelOptions,
  { logger, clock }: { readonly logger: Logger; readonly clock: Clock },
): Promise<Tunnel> {
  const privateKey = keys.exportWireguardPrivate();
  try {
    const { interface: interfaceName, mtu, listenPort, fwmark } = settings;
    const ranges = [enrolment.network.cidr4, enrolment.network.cidr6];
    return await Tunnel.open(
      { interfaceName, mtu, listenPort, fwmark, privateKey, aeadProvider, ranges },
      { logger, clock },
    );
  } finally {
    privateKey.fill(0);
  }
}
