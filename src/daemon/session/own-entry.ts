import type { SelfInfo } from "../../api/network-map.ts";
import type { Logger } from "../../base/logger.ts";
import type { NetworkPaths } from "../networks/home.ts";
import { type Enrolment, NetworkState } from "../networks/network-state.ts";
import type { Warnings } from "../warnings.ts";

export interface OwnEntryOptions {
  readonly paths: NetworkPaths;
  readonly enrolment: Enrolment;
}

export interface OwnEntryDeps {
  readonly warnings: Warnings;
  readonly logger: Logger;
}

/** What an admin has changed about this machine itself: another address counts from the next start on, another name at once. */
export function followOwnEntry(
  before: SelfInfo,
  self: SelfInfo,
  { paths, enrolment }: OwnEntryOptions,
  { warnings, logger }: OwnEntryDeps,
): void {
  if (self.ip4 !== before.ip4 || self.ip6 !== before.ip6) {
    warnings.set("address", `the address of this machine is ${self.ip4}, ${self.ip6} from the next \`mesh up\` on`);
  }
  if (self.name === before.name) return;
  logger.info({ name: self.name }, "this machine has another name");
  // The next `join` goes by it.
  new NetworkState(paths.directory).enrolment.write({ ...enrolment, self }).catch((failure: unknown) => {
    logger.warn({ err: failure }, "the new name cannot be kept on disk");
  });
}
