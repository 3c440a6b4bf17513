import type { Logger } from "../base/logger.ts";
import { IPV6_MIN_MTU_BYTES } from "../packet/mtu.ts";
import { type CommandRunner, systemCommandRunner } from "./command.ts";
import { currentBoot, type HostStep, hostStepSchema, undoHostStep } from "./host-steps.ts";
import { IpRoute, Ipv6DisabledError } from "./ip-route.ts";
import {
  requireFreeInterface,
  requireFreeRanges,
  requireInterfaceName,
  requireNetAdmin,
  requireTunDevice,
} from "./preflight.ts";
import { UndoJournal } from "./undo-journal.ts";

export interface InterfaceSetupOptions {
  readonly journalFile: string;
  readonly interfaceName: string;
  /** Of packets inside the tunnel. */
  readonly mtuBytes: number;
  /** The mesh's networks, IPv4 and IPv6: each gets a route into the interface. */
  readonly ranges: readonly string[];
}

export interface InterfaceSetupDeps {
  readonly logger: Logger;
  readonly run?: CommandRunner;
}

/** Why there is no IPv6 on the interface. */
export type NoIpv6Reason = "disabled-on-host" | "mtu-below-1280";

/**
 * The mesh's interface as the host sees it: addresses, MTU, routes. Every change goes through the undo journal, and
 * disposing takes all of it back. Making and deleting the TUN device itself is the data plane's part.
 */
export class InterfaceSetup implements AsyncDisposable {
  readonly #options: InterfaceSetupOptions;
  readonly #ipRoute: IpRoute;
  readonly #journal: UndoJournal<HostStep>;
  readonly #addresses: string[] = [];
  readonly #routes = new Map<string, number>();

  private constructor(options: InterfaceSetupOptions, ipRoute: IpRoute, journal: UndoJournal<HostStep>) {
    this.#options = options;
    this.#ipRoute = ipRoute;
    this.#journal = journal;
  }

  /**
   * Before the device is made: takes back what a killed predecessor left, then checks that this host can have the
   * interface.
   *
   * @throws MeshError `missing-capability`, `no-tun-device`, `bad-interface-name`, `interface-taken`, `range-conflict`,
   *   `missing-tool`
   */
  static async prepare(options: InterfaceSetupOptions, deps: InterfaceSetupDeps): Promise<InterfaceSetup> {
    requireInterfaceName(options.interfaceName);
    requireNetAdmin();
    requireTunDevice();
    const ipRoute = new IpRoute(deps.run ?? systemCommandRunner);
    const journal = await UndoJournal.open(
      { path: options.journalFile, stepSchema: hostStepSchema },
      { undo: (step) => undoHostStep(step, ipRoute), logger: deps.logger },
    );
    try {
      if (journal.pending.length > 0) {
        deps.logger.info({ steps: journal.pending.length }, "taking back what an earlier run left on the host");
        await journal.undoAll();
      }
      await requireFreeInterface(options.interfaceName, ipRoute);
      await requireFreeRanges(options.ranges, ipRoute);
      return new InterfaceSetup(options, ipRoute, journal);
    } catch (failure) {
      await journal.close();
      throw failure;
    }
  }

  /**
   * Once the device is there: MTU, addresses, up, routes.
   *
   * @param addresses ours inside the mesh, v4 and v6, without prefix length
   * @returns why the IPv6 ones and their routes were left out, or undefined when they are in place
   * @throws MeshError `host-change-failed`, `missing-capability`
   */
  async configure(addresses: readonly string[]): Promise<NoIpv6Reason | undefined> {
    const { interfaceName, mtuBytes, ranges } = this.#options;
    const isV6 = (text: string) => text.includes(":");
    await this.#ipRoute.setMtu(interfaceName, mtuBytes);
    for (const address of addresses.filter((each) => !isV6(each))) await this.#addAddress(address, 32);
    const noIpv6 = await this.#addIpv6Addresses(addresses.filter(isV6));
    await this.#ipRoute.setUp(interfaceName);
    for (const range of ranges) {
      if (noIpv6 === undefined || !isV6(range)) await this.addRoute(range);
    }
    return noIpv6;
  }

  /** A route into the mesh; one that is there already is left alone. @throws MeshError `host-change-failed` */
  async addRoute(destination: string): Promise<void> {
    if (this.#routes.has(destination)) return;
    const { interfaceName } = this.#options;
    const step = { kind: "remove-route", ...(await this.#identity()), destination } as const;
    const id = await this.#journal.perform(step, () => this.#ipRoute.addRoute(interfaceName, destination));
    this.#routes.set(destination, id);
  }

  /** Takes back an `addRoute`; does nothing without one. @throws MeshError `host-change-failed` */
  async removeRoute(destination: string): Promise<void> {
    const id = this.#routes.get(destination);
    if (id === undefined) return;
    await this.#journal.undo(id);
    this.#routes.delete(destination);
  }

  /**
   * Puts back what the kernel takes away when somebody sets the interface down: the routes, and IPv6 addresses. The journal
   * knows of them already.
   * @throws MeshError `host-change-failed`, `missing-capability`
   */
  async restore(): Promise<void> {
    const { interfaceName } = this.#options;
    for (const address of this.#addresses) await this.#ipRoute.replaceAddress(interfaceName, address);
    for (const destination of this.#routes.keys()) await this.#ipRoute.replaceRoute(interfaceName, destination);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#journal.undoAll();
    await this.#journal.close();
  }

  async #addIpv6Addresses(addresses: readonly string[]): Promise<NoIpv6Reason | undefined> {
    // Linux takes the IPv6 addresses away from such an interface.
    if (this.#options.mtuBytes < IPV6_MIN_MTU_BYTES) return "mtu-below-1280";
    try {
      for (const address of addresses) await this.#addAddress(address, 128);
      return undefined;
    } catch (failure) {
      if (failure instanceof Ipv6DisabledError) return "disabled-on-host";
      throw failure;
    }
  }

  async #addAddress(address: string, prefixBits: number): Promise<void> {
    const { interfaceName } = this.#options;
    const host = `${address}/${prefixBits}`;
    const step = { kind: "remove-address", ...(await this.#identity()), address: host } as const;
    await this.#journal.perform(step, () => this.#ipRoute.addAddress(interfaceName, host));
    this.#addresses.push(host);
  }

  async #identity(): Promise<{ boot: string; interfaceName: string; interfaceIndex: number }> {
    const { interfaceName } = this.#options;
    const link = await this.#ipRoute.link(interfaceName);
    if (link === undefined) throw new Error(`the interface ${interfaceName} is gone`);
    return { boot: currentBoot(), interfaceName, interfaceIndex: link.index };
  }
}
