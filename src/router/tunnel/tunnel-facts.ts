import { spokenFamilies } from "../../host/address-families.ts";
import { AF_INET, AF_INET6 } from "../../host/ffi/constants.ts";
import type { UdpFamily, UdpSockets } from "../../transports/udp/udp-transport.ts";
import type { OpenTun } from "../../tun/open-tun.ts";
import type { AeadSelection } from "../../wireguard/aead/select.ts";
import type { OffloadLoss, TunnelInfo, TunnelOptions } from "./tunnel-types.ts";

const SEGMENTATION_REFUSED = "EIO from the kernel, as with IPsec or a device that computes no checksums";

export interface TunnelParts {
  readonly tun: OpenTun;
  readonly udp: UdpSockets;
  readonly aead: AeadSelection;
}

/** What is to be said of a tunnel: most of it for good, the offloads and families as they are at the moment. */
export class TunnelFacts {
  readonly #lasting: Omit<TunnelInfo, "ipv4" | "ipv6">;
  readonly #udp: UdpSockets;
  readonly #losses: OffloadLoss[] = [];
  readonly #lossHandlers: ((loss: OffloadLoss) => void)[] = [];

  constructor(options: TunnelOptions, { tun, udp, aead }: TunnelParts) {
    const isFixed = options.aeadProvider !== undefined && options.aeadProvider !== "auto";
    const reasons = aead.passedOver.map(({ name, reason }) => `${name} is not usable: ${reason}`);
    this.#udp = udp;
    this.#lasting = {
      interfaceName: tun.name,
      listenPort: udp.port,
      mtu: options.mtu,
      aeadProvider: aead.provider.name,
      aeadWhy: isFixed ? "set in the configuration" : reasons.join("; ") || "the fastest one",
      offloads: {
        ...tun.offloads,
        udpGso: udp.sockets.every((socket) => socket.segmentation),
        udpGro: udp.sockets.every((socket) => socket.receiveOffload),
      },
    };
  }

  get now(): TunnelInfo {
    const { interfaceName, offloads } = this.#lasting;
    const spoken = spokenFamilies(interfaceName);
    return {
      ...this.#lasting,
      offloads: { ...offloads, ...Object.fromEntries(this.#losses.map(({ offload }) => [offload, false])) },
      ipv4: spoken.ipv4 && this.#hasSocket(AF_INET),
      ipv6: spoken.ipv6 && this.#hasSocket(AF_INET6),
    };
  }

  /** Names of the offloads that are missing at the moment. */
  get missingOffloads(): string[] {
    return Object.entries(this.now.offloads).flatMap(([name, isThere]) => (isThere ? [] : [name]));
  }

  /** `handler` hears of each offload that turned out not to work, earlier ones included. */
  onOffloadLost(handler: (loss: OffloadLoss) => void): void {
    for (const loss of this.#losses) handler(loss);
    this.#lossHandlers.push(handler);
  }

  /** The kernel refuses to cut what the socket of `family` sends. */
  loseSegmentation(family: UdpFamily): void {
    const loss: OffloadLoss = { offload: "udpGso", family, reason: SEGMENTATION_REFUSED };
    this.#losses.push(loss);
    for (const handler of this.#lossHandlers) handler(loss);
  }

  #hasSocket(family: number): boolean {
    return this.#udp.sockets.some((socket) => socket.family === family);
  }
}
