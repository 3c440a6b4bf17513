import { addVeth } from "../../../scripts/lib/netns.mjs";
import { LabHost } from "./lab-host.ts";

/** An Ethernet segment: a bridge in a namespace of its own, to which hosts are attached. */
export class LabSegment implements AsyncDisposable {
  readonly #switch: LabHost;
  #ports = 0;

  private constructor(host: LabHost) {
    this.#switch = host;
  }

  static async create(label: string): Promise<LabSegment> {
    const host = await LabHost.create(label);
    await host.ip("link", "add", "bridge", "type", "bridge", "stp_state", "0", "mcast_snooping", "0");
    await host.ip("link", "set", "bridge", "up");
    return new LabSegment(host);
  }

  /** Gives `host` a device on this segment. `addresses` with prefix length. */
  async attach(
    host: LabHost,
    device: string,
    addresses: readonly string[],
    options: { mtu?: number } = {},
  ): Promise<void> {
    const port = `port${++this.#ports}`;
    await addVeth(
      { namespace: this.#switch.namespace, device: port },
      { namespace: host.namespace, device, addresses },
      options,
    );
    await this.#switch.ip("link", "set", port, "master", "bridge");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#switch[Symbol.asyncDispose]();
  }
}
