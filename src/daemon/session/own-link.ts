import { asMeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { HostChanges } from "../../host/changes/host-changes.ts";
import type { Warnings } from "../warnings.ts";

const CAUSE = "link";

export interface OwnLinkDeps {
  readonly warnings: Warnings;
  readonly logger: Logger;
}

/** Our interface in others' hands: while it is down the user is told, and once it is up again it leads into the mesh as before. */
export class OwnLink {
  readonly #interfaceName: string;
  readonly #changes: Pick<HostChanges, "renew">;
  readonly #deps: OwnLinkDeps;

  constructor(interfaceName: string, changes: Pick<HostChanges, "renew">, deps: OwnLinkDeps) {
    this.#interfaceName = interfaceName;
    this.#changes = changes;
    this.#deps = deps;
    deps.warnings.clear(CAUSE);
  }

  /** Never rejects. */
  async changed(isUp: boolean): Promise<void> {
    const { warnings, logger } = this.#deps;
    const name = this.#interfaceName;
    logger.info({ interface: name, isUp }, "somebody has set our interface");
    if (!isUp) {
      warnings.set(CAUSE, `the interface ${name} is down, nothing gets through: \`ip link set ${name} up\``);
      return;
    }
    try {
      // The kernel takes away routes and IPv6 addresses with a link that goes down.
      await this.#changes.renew("interface", "exit-use", "subnet-routes");
      warnings.clear(CAUSE);
    } catch (failure) {
      const { message } = asMeshError(failure);
      warnings.set(
        CAUSE,
        `the interface ${name} is up without its routes: ${message}; see \`mesh down\` and \`mesh up\``,
      );
    }
  }
}
