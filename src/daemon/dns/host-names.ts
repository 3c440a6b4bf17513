import type { HostNamesStatus } from "../../api/local-dns.ts";
import { asMeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { InterfaceIdentity } from "../../host/changes/host-change.ts";
import type { HostResolver, ResolverWish } from "../../host/resolver/host-resolver.ts";
import type { Warnings } from "../warnings.ts";
import type { DnsService } from "./dns-keeper.ts";

const CAUSE = "dns host";

export interface HostNamesDeps {
  readonly resolver: HostResolver;
  /** Our name server; undefined where it is switched off, or answers nowhere. */
  readonly service: () => DnsService | undefined;
  readonly warnings: Warnings;
  readonly logger: Logger;
}

/** Keeps this host's programs asking our name server, as it and the exit in use have it. */
export class HostNames implements AsyncDisposable {
  readonly #interface: InterfaceIdentity;
  readonly #deps: HostNamesDeps;
  #asked: string | undefined;
  /** The last look failed: nobody else tells when to look again. */
  #isLookOwed = false;
  #isClosed = false;
  #turn: Promise<void> = Promise.resolve();

  constructor(device: InterfaceIdentity, deps: HostNamesDeps) {
    this.#interface = device;
    this.#deps = deps;
    deps.warnings.clear(CAUSE);
  }

  get status(): HostNamesStatus {
    return this.#deps.resolver.state;
  }

  /**
   * Follows what our name server offers; of the host it looks at nothing. To be called every few seconds. Never rejects:
   * without it the mesh works by address.
   */
  keep(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#keep(false));
    return this.#turn;
  }

  /** As `keep`; also puts right what others may have changed on the host. */
  look(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#keep(true));
    return this.#turn;
  }

  /** The host resolves names as it did without us. What could not be taken back stays in the journal. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#turn;
    await this.#deps.resolver.release("the daemon has ended").catch((failure: unknown) => {
      this.#deps.logger.error({ err: failure }, "the host's resolver cannot be given back");
    });
  }

  async #keep(isLook: boolean): Promise<void> {
    if (this.#isClosed) return;
    const { resolver, warnings, logger } = this.#deps;
    try {
      const wish = this.#wish();
      const asked = JSON.stringify(wish);
      if (asked === this.#asked && !isLook && !this.#isLookOwed) return;
      if (asked === this.#asked) await resolver.look();
      else if (wish === undefined) await resolver.release("this machine has no name server for the mesh");
      else await resolver.use(wish);
      this.#asked = asked;
      this.#isLookOwed = false;
      const { inForce, reason } = resolver.state;
      if (inForce || wish === undefined) warnings.clear(CAUSE);
      else warnings.set(CAUSE, `this host's programs do not know the mesh's names: ${reason}`);
    } catch (failure) {
      this.#isLookOwed = true;
      const { message } = asMeshError(failure);
      logger.debug({ err: failure }, "the host's resolver cannot be told of the mesh");
      warnings.set(CAUSE, `this host's programs do not know the mesh's names: ${message}`);
    }
  }

  #wish(): ResolverWish | undefined {
    const service = this.#deps.service();
    if (service === undefined) return undefined;
    const { server, domain, zones, takesAll: isDefault } = service;
    return { interface: this.#interface, servers: [server], domain, zones, isDefault };
  }
}
