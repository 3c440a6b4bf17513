import type { SettleRequest } from "../../api/local-settings.ts";
import type { PeerPlan } from "../../daemon/peer-plan.ts";
import { settingsIn } from "../../daemon/settings/given-settings.ts";
import { writeSettings } from "../../daemon/settings/written-settings.ts";

/** What a daemon that runs is to take up of flags and file. */
export function settleRequest(plan: PeerPlan): SettleRequest {
  return { settings: writeSettings(settingsIn(plan)), reset: plan.reset };
}
