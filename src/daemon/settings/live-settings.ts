import type { SettingName, Settings } from "../networks/network-state.ts";
import type { SessionParts } from "../session/session-parts.ts";

/** Of a session, what takes up settings as it runs. */
export type LiveParts = Pick<
  SessionParts,
  "offers" | "exitUse" | "filter" | "preferences" | "routes" | "dns" | "hostNames"
>;

interface LivePart {
  readonly names: readonly SettingName[];
  readonly take: (settings: Settings, parts: LiveParts) => void | Promise<void>;
}

/** What the host may refuse comes first. All others need a tunnel that is built anew. */
const LIVE: readonly LivePart[] = [
  {
    names: ["allowExitTraffic", "advertiseRoutes", "snatRoutes"],
    take: (settings, { offers }) => offers.change(settings),
  },
  {
    names: ["exitNodes", "exitAllowLan", "advertiseRoutes"],
    take: (settings, { exitUse }) => exitUse.change(settings),
  },
  { names: ["filter"], take: ({ filter }, parts) => parts.filter.configure(filter) },
  { names: ["peerPreferences"], take: (settings, { preferences }) => preferences.configure(settings) },
  { names: ["acceptRoutes"], take: ({ acceptRoutes }, { routes }) => routes.accept(acceptRoutes) },
  {
    names: ["dns"],
    take: async ({ dns: isEnabled }, { dns, hostNames }) => {
      await dns.enable(isEnabled);
      await hostNames.keep();
    },
  },
  // Asked for at each request; and what goes on whether traffic does or not, of which the daemon itself takes care.
  { names: ["localGroup", "metricsListen", "logLevels"], take: () => undefined },
];

const LIVE_NAMES = new Set(LIVE.flatMap(({ names }) => names));

export function isLive(name: SettingName): boolean {
  return LIVE_NAMES.has(name);
}

/** All or nothing. @throws MeshError what the first part says that refuses; those before it are as they were */
export async function takeLive(
  {
    before,
    next,
    changed,
  }: { readonly before: Settings; readonly next: Settings; readonly changed: ReadonlySet<SettingName> },
  parts: LiveParts,
): Promise<void> {
  const taken: LivePart[] = [];
  for (const part of LIVE.filter(({ names }) => names.some((name) => changed.has(name)))) {
    try {
      await part.take(next, parts);
    } catch (failure) {
      for (const done of taken.reverse()) await done.take(before, parts);
      throw failure;
    }
    taken.push(part);
  }
}
