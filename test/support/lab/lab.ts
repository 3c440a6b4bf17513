import { addVeth, sweepNamespaces } from "../../../scripts/lib/netns.mjs";
import { DisposeStack } from "../../../src/base/dispose.ts";
import { LabHost } from "./lab-host.ts";
import { LabSegment } from "./lab-segment.ts";

export interface LabEnd {
  readonly host: LabHost;
  readonly device: string;
  /** With prefix length, v4 or v6. */
  readonly addresses: readonly string[];
}

/**
 * A network of hosts, each a namespace. Disposing ends every process and deletes every namespace, newest first; what a
 * killed test run left is deleted by the next lab. Needs root and iproute2.
 *
 *     await using lab = await Lab.open();
 *     const [alice, bob] = [await lab.host("alice"), await lab.host("bob")];
 *     await lab.connect({ host: alice, device: "eth0", addresses: ["192.0.2.1/24"] }, { host: bob, … });
 */
export class Lab implements AsyncDisposable {
  readonly #resources = new DisposeStack();

  static async open(): Promise<Lab> {
    await sweepNamespaces();
    return new Lab();
  }

  async host(label: string): Promise<LabHost> {
    return this.#resources.use(await LabHost.create(label));
  }

  async segment(label: string): Promise<LabSegment> {
    return this.#resources.use(await LabSegment.create(label));
  }

  /** Joins two hosts by a cable of their own. */
  async connect(left: LabEnd, right: LabEnd, options: { mtu?: number } = {}): Promise<void> {
    const end = ({ host, device, addresses }: LabEnd) => ({ namespace: host.namespace, device, addresses });
    await addVeth(end(left), end(right), options);
  }

  /** Something else to be released with the lab, before what was made earlier. */
  use<T extends AsyncDisposable | Disposable>(resource: T): T {
    return this.#resources.use(resource);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources.close();
  }
}
