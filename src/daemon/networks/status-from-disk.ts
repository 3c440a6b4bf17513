import type { Status } from "../../api/local.ts";
import { loadKeys } from "../membership/identity.ts";
import { deriveState } from "../state.ts";
import { buildStatus } from "../status-builder.ts";
import { type Home, networkPaths, selectNetwork } from "./home.ts";
import { NetworkState } from "./network-state.ts";

const EXIT_WAITS =
  "an exit was asked for, and no daemon runs: where one has run since the machine started, nothing leaves it until `mesh up` or `mesh down`";

/** What can be said of a network while no daemon runs for it. */
export async function statusFromDisk(home: Home, wantedNetwork: string | undefined): Promise<Status> {
  const network = selectNetwork(home, wantedNetwork);
  if (network === undefined) {
    return buildStatus({
      state: deriveState({ membership: "none", intent: "down", engine: "off" }),
      network: null,
      self: undefined,
      coordinatorUrl: undefined,
      warnings: [],
      session: undefined,
    });
  }
  const { directory } = networkPaths(home, network);
  const state = new NetworkState(directory);
  const enrolment = await state.enrolment.read();
  const intent = (await state.intent.read())?.intent ?? "down";
  const hasKeys = (await loadKeys(directory)) !== undefined;
  const settings = await state.settings.read();
  const nodes = settings?.exitNodes ?? [];
  const membership = enrolment !== undefined ? "enrolled" : hasKeys ? "keys" : "none";
  return buildStatus({
    state: deriveState({ membership, intent, engine: "off" }),
    network,
    self: enrolment?.self,
    coordinatorUrl: enrolment?.urls[0],
    warnings: nodes.length > 0 && intent === "up" ? [EXIT_WAITS] : [],
    exit: { nodes, allowLan: settings?.exitAllowLan ?? false },
    session: undefined,
  });
}
