import { randomFillSync } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import type { Logger } from "../../base/logger.ts";
import { hostAndPort } from "../../control/coordinator-url.ts";
import { isLocalAddress } from "../../control/endpoints.ts";
import type { Resolve } from "../../host/underlay/resolver.ts";
import type { NatReport } from "../../nat/mapping.ts";
import { type StunAction, StunClient, type StunEvent } from "../../nat/stun/stun-client.ts";
import type { UdpEndpoint } from "../../packet/endpoint.ts";
import type { Tunnel } from "../../router/tunnel/tunnel.ts";

export interface NatWatchDeps {
  readonly tunnel: Tunnel;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly resolve: Resolve;
  /** What is known of the NATs has changed. */
  readonly onChange: () => void;
}

/** A host that answers STUN on these UDP ports; of the URL only the host counts. */
export interface StunHost {
  readonly url: string;
  readonly ports: readonly number[];
}

/** Keeps an eye on how the world sees our WireGuard socket: asks coordinator and relays from that very socket. */
export class NatWatch implements Disposable {
  readonly #deps: NatWatchDeps;
  readonly #client = new StunClient({ random: (bytes) => void randomFillSync(bytes) });
  #addresses: readonly string[] = [];
  #servers = "";
  #report: NatReport | undefined;
  #reflexive: readonly UdpEndpoint[] = [];
  /** What the servers have said since the network changed, until all have. */
  #early: readonly UdpEndpoint[] | undefined = [];
  readonly #waiting = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(deps: NatWatchDeps) {
    this.#deps = deps;
    deps.tunnel.onStun((bytes, source) => this.#tell({ type: "datagram", bytes, source }));
  }

  /** Undefined until the first measurement has ended. */
  get report(): NatReport | undefined {
    return this.#report;
  }

  /** Where servers saw us last, best first. */
  get reflexive(): readonly UdpEndpoint[] {
    return this.#reflexive;
  }

  /** These hosts answer STUN; two of them tell whether a mapping depends on the address that is spoken to. */
  async follow(hosts: readonly StunHost[]): Promise<void> {
    const servers = JSON.stringify(hosts);
    if (servers === this.#servers) return;
    this.#servers = servers;
    const found = await Promise.all(hosts.map((host) => this.#endpointsOf(host)));
    if (this.#servers !== servers || this.#isClosed) return;
    // What could not be resolved is looked up again when the hosts are told again.
    if (found.includes(undefined)) this.#servers = "";
    this.#tell({ type: "servers", servers: found.flatMap((endpoints) => endpoints ?? []) });
  }

  /**
   * Our own addresses as they are now. Others than before mean another network; `isElsewhere`: it is another one, though
   * they may be the same. Then all is measured anew.
   */
  setAddresses(addresses: readonly string[], isElsewhere: boolean): void {
    if (!isElsewhere && addresses.join() === this.#addresses.join()) return;
    this.#addresses = addresses;
    this.#early = [];
    this.#tell({ type: "network-changed", local: { addresses, port: this.#deps.tunnel.info.listenPort } });
  }

  /** Asks now, and tells what has come of it; what was known before, when `signal` gives it up or nobody can be asked. */
  askNow(signal: AbortSignal): Promise<NatReport | undefined> {
    return new Promise((resolve) => {
      const settle = () => {
        this.#waiting.delete(settle);
        signal.removeEventListener("abort", settle);
        resolve(this.#report);
      };
      this.#waiting.add(settle);
      signal.addEventListener("abort", settle, { once: true });
      this.#tell({ type: "measure" });
      const isUnderWay = this.#client.nextDeadlineMs() !== Number.POSITIVE_INFINITY;
      if (signal.aborted || this.#isClosed || !isUnderWay) settle();
    });
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const settle of this.#waiting) settle();
  }

  async #endpointsOf({ url, ports }: StunHost): Promise<readonly UdpEndpoint[] | undefined> {
    if (ports.length === 0) return [];
    try {
      const found = await this.#deps.resolve(hostAndPort(url).host);
      // A server on this very machine (its coordinator's host is a peer) sees us through no NAT, and tells nothing of any.
      const addresses = found.filter((address) => !isLocalAddress(address));
      return addresses.flatMap((address) => ports.map((port) => ({ address, port })));
    } catch (failure) {
      this.#deps.logger.debug({ err: failure, url }, "the STUN server's name could not be resolved");
      return undefined;
    }
  }

  #tell(event: StunEvent): void {
    if (this.#isClosed) return;
    const nowMs = this.#deps.clock.monotonicMs();
    for (const action of this.#client.handle(event, nowMs)) this.#carryOut(action);
    clearTimeout(this.#timer);
    const deadlineMs = this.#client.nextDeadlineMs();
    if (deadlineMs === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(() => this.#tell({ type: "tick" }), Math.max(0, deadlineMs - nowMs));
    this.#timer.unref();
  }

  #carryOut(action: StunAction): void {
    switch (action.type) {
      case "send":
        this.#deps.tunnel.sendDatagram(action.bytes, action.destinations);
        break;
      case "reflexive":
        // A candidate at once; the whole picture follows, when the last server has answered or had its time.
        if (this.#early === undefined) break;
        this.#early = [...this.#early, action.endpoint];
        this.#setReflexive(this.#early);
        break;
      case "measured": {
        const { nat } = action.report;
        const isNews = this.#report?.mapping !== nat.mapping || this.#report.udp !== nat.udp;
        this.#report = nat;
        this.#early = undefined;
        if (isNews) this.#deps.logger.info({ mapping: nat.mapping, udp: nat.udp }, "NAT measured");
        const isMoved = this.#setReflexive([...nat.ipv4.reflexive, ...nat.ipv6.reflexive]);
        if (isNews && !isMoved) this.#deps.onChange();
        for (const settle of this.#waiting) settle();
        break;
      }
    }
  }

  #setReflexive(endpoints: readonly UdpEndpoint[]): boolean {
    const text = (all: readonly UdpEndpoint[]) => all.map(({ address, port }) => `${address} ${port}`).join();
    if (text(endpoints) === text(this.#reflexive)) return false;
    this.#reflexive = endpoints;
    this.#deps.onChange();
    return true;
  }
}
