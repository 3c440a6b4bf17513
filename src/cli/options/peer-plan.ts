import { resolve } from "node:path";
import type { JoinToken } from "../../api/join-token.ts";
import { nameSchema } from "../../api/primitives.ts";
import { MeshError } from "../../base/errors.ts";
import { normalizeCoordinatorUrl } from "../../control/coordinator-url.ts";
import { resolveHome } from "../../daemon/networks/home.ts";
import type { PeerPlan } from "../../daemon/peer-plan.ts";
import { childKind } from "../running/child-daemon.ts";
import type { PeerSettings } from "./peer-options.ts";

/** The service manager gives a service its socket; a daemon that one of us has started has a parent to tell instead. */
function isServiceProcess(): boolean {
  const kind = childKind();
  if (kind !== undefined) return kind === "member";
  const socket = process.env.NOTIFY_SOCKET;
  return socket !== undefined && socket !== "";
}

interface Joining {
  readonly servers: readonly string[] | undefined;
  readonly token: { readonly text: string; readonly fields: JoinToken } | undefined;
  readonly name: string | undefined;
  readonly reset?: boolean | undefined;
}

/** What the daemon is to do, out of flags, environment and file. @throws MeshError `bad-usage`, `bad-name` */
export function peerPlan(mode: PeerPlan["mode"], settings: PeerSettings, joining: Joining): PeerPlan {
  const { config, globals } = settings;
  const name = joining.name ?? (mode === "join" ? config.name : undefined);
  if (name !== undefined && !nameSchema.safeParse(name).success) {
    throw new MeshError("bad-name", `${JSON.stringify(name)} cannot be the name of a peer`);
  }
  const servers = joining.servers ?? (mode === "join" ? config.servers : undefined);
  return {
    home: resolveHome(globals.home),
    network: globals.network,
    mode,
    servers: servers?.map(normalizeCoordinatorUrl),
    token: joining.token,
    name,
    interface: settings.interface,
    listenPort: settings.listenPort,
    sshPorts: settings.sshPorts,
    sshJump: config.sshJump && {
      ...config.sshJump,
      identityFile: resolve(config.sshJump.identityFile),
      knownHostsFile: resolve(config.sshJump.knownHostsFile),
    },
    fwmark: settings.fwmark,
    mtu: settings.mtu,
    transports: settings.transports,
    peerPreferences: config.peerPreferences,
    filter: config.filter,
    allowExitTraffic: settings.allowExitTraffic,
    advertiseRoutes: settings.advertiseRoutes,
    snatRoutes: settings.snatRoutes,
    acceptRoutes: settings.acceptRoutes,
    exitNodes: settings.exitNodes,
    exitAllowLan: settings.exitAllowLan,
    dns: settings.dns,
    localGroup: settings.localGroup,
    metricsListen: settings.metricsListen,
    logLevels: settings.logLevels,
    reset: joining.reset ?? false,
    isService: isServiceProcess(),
  };
}
