import { existsSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { systemClock } from "../base/clock.ts";
import { DisposeStack } from "../base/dispose.ts";
import { MeshError } from "../base/errors.ts";
import type { LogLevels } from "../base/log-levels.ts";
import { type Logger, loggerOf } from "../base/logger.ts";
import type { Redactor } from "../base/redactor.ts";
import { MapCache } from "../control/map-cache.ts";
import { HostChanges } from "../host/changes/host-changes.ts";
import { IpRoute } from "../host/ip-route.ts";
import { requireGroup, requireNetAdmin, requireTunDevice } from "../host/preflight.ts";
import { underlaySockets } from "../host/underlay/underlay-sockets.ts";
import type { AeadProviderName } from "../wireguard/aead/provider.ts";
import { Daemon } from "./daemon.ts";
import type { LogRing } from "./log/log-ring.ts";
import { concealKeys } from "./membership/conceal-keys.ts";
import { enrol } from "./membership/enrol.ts";
import { firstPeers } from "./membership/first-peers.ts";
import { loadKeys, loadOrCreateKeys } from "./membership/identity.ts";
import { makeCurrent, showCurrent } from "./networks/current-network.ts";
import { type NetworkPaths, networkPaths } from "./networks/home.ts";
import { isOfAnotherNetwork, type JoinedNetwork, otherNetworks } from "./networks/joined-networks.ts";
import { lockNetwork } from "./networks/network-lock.ts";
import { networkOf } from "./networks/network-of-plan.ts";
import { type Enrolment, NetworkState, type Settings } from "./networks/network-state.ts";
import { makePrivateDirectory } from "./networks/private-directory.ts";
import type { PeerPlan, Progress } from "./peer-plan.ts";
import { underlayDial } from "./session/underlay-dial.ts";
import { settingsIn, settleSettings } from "./settings/given-settings.ts";
import { chooseOwnSettings } from "./settings/own-settings.ts";
import { requireOtherExits, requireUsableSettings } from "./settings/usable-settings.ts";
import { keyOf } from "./settings/written-settings.ts";

export interface RunPeerDeps {
  readonly logger: Logger;
  /** The log's latest lines, for who asks. */
  readonly ring: LogRing;
  readonly levels: LogLevels;
  /** Keeps this machine's keys out of the log. */
  readonly redactor: Redactor;
  readonly progress: Progress;
  /** Ends a start that waits for the coordinator, with `interrupted`. */
  readonly signal?: AbortSignal;
}

/** A started daemon with everything it holds; closing it leaves nothing behind. */
export interface RunningPeer extends AsyncDisposable {
  readonly daemon: Daemon;
}

/**
 * `mesh join` and `mesh up`: lock, keys, registration (or what an earlier one left), settings, daemon. Returns once traffic
 * can flow; what a half start acquired is given back.
 */
export async function runPeer(plan: PeerPlan, deps: RunPeerDeps): Promise<RunningPeer> {
  const resources = new DisposeStack();
  try {
    const daemon = await startPeer(plan, deps, resources);
    return { daemon, [Symbol.asyncDispose]: () => resources.close() };
  } catch (failure) {
    await resources.close();
    throw failure;
  }
}

async function startPeer(plan: PeerPlan, deps: RunPeerDeps, resources: DisposeStack): Promise<Daemon> {
  const { logger, progress } = deps;
  requireNetAdmin();
  requireTunDevice();
  const network = await networkOf(plan, deps.signal);
  const paths = networkPaths(plan.home, network);
  await makePrivateDirectory(paths.directory);
  await requireOfNetwork(plan, paths);
  resources.use(await lockNetwork(paths));
  // A predecessor that was killed left this host asking a name server that is gone; the rest of what it left can wait.
  if (existsSync(paths.journalFile)) {
    await using changes = await HostChanges.open(paths.journalFile, { logger: loggerOf("host", logger) });
    await changes.takeBackAll("dns");
  }

  const state = new NetworkState(paths.directory);
  const existing = await state.enrolment.read();
  const others = await otherNetworks(plan.home, network);
  const stored = await state.settings.read();
  const chosen = await chooseOwnSettings(stored?.chosen, {
    others: others.flatMap((other) => other.settings ?? []),
    ipRoute: new IpRoute(),
  });
  const { settings, outweighed } = settleSettings(settingsIn(plan), stored, {
    reset: plan.reset,
    keepsCommands: plan.isService,
    chosen,
  });
  deps.levels.use(settings.logLevels);
  // What can be known to fail fails before a token is spent.
  if (plan.localGroup != null) requireGroup(plan.localGroup);
  const ranges = existing === undefined ? [] : [existing.network.cidr4, existing.network.cidr6];
  await requireUsableSettings(settings, { inUse: undefined, ranges, ownName: existing?.self.name ?? plan.name });
  const { keys, enrolment } = await membershipOf(plan, paths.directory, existing, { others, settings }, deps);
  await state.enrolment.write(enrolment);
  requireOtherExits(settings, enrolment.self.name);
  await state.settings.write(settings);
  // What a person or a file says now is no trial.
  if (isDeepStrictEqual(plan.exitNodes, settings.exitNodes)) await state.exitTrial.remove();
  if (plan.mode === "join") await makeCurrent(plan.home, network);
  else await showCurrent(plan.home);

  const aeadProvider = forcedAeadProvider();
  const daemon = resources.use(
    await Daemon.start(
      {
        home: plan.home,
        paths,
        enrolment,
        settings,
        keys,
        aeadProvider,
        isService: plan.isService,
        keepsIntent: plan.isService && plan.mode === "up",
      },
      { logger, ring: deps.ring, redactor: deps.redactor, levels: deps.levels, clock: systemClock, state },
    ),
  );
  const { tunnel } = daemon.session?.sources() ?? {};
  if (tunnel !== undefined) {
    const { interfaceName, listenPort, aeadProvider: provider } = tunnel;
    progress({ event: "interface", interface: interfaceName, listenPort, aeadProvider: provider });
  }
  if (outweighed.length > 0) {
    const warning = `${outweighed.map(keyOf).join(", ")}: what a command has set here outweighs flags and configuration file`;
    logger.warn({}, warning);
    progress({ event: "warning", warning });
  }
  for (const warning of daemon.status().warnings) progress({ event: "warning", warning });
  const { name, ip4, ip6 } = enrolment.self;
  progress({ event: "running", network, name, ip4, ip6 });
  void firstPeers(daemon, progress, logger);
  return daemon;
}

/** Two networks may be called alike, and one of them has the name here, whether or not it runs. @throws MeshError `name-mismatch` */
async function requireOfNetwork({ token }: PeerPlan, { directory, network }: NetworkPaths): Promise<void> {
  const joined = await new NetworkState(directory).enrolment.read();
  if (token === undefined || joined === undefined || !isOfAnotherNetwork(token.fields, joined)) return;
  throw new MeshError("name-mismatch", `the token is for another network than the one joined here as ${network}`, {
    hint: "Give it another name on this machine: `mesh join TOKEN --network NAME`.",
  });
}

async function membershipOf(
  plan: PeerPlan,
  directory: string,
  existing: Enrolment | undefined,
  { others, settings }: { readonly others: readonly JoinedNetwork[]; readonly settings: Settings },
  { logger, redactor, progress, signal }: RunPeerDeps,
) {
  if (plan.mode === "up") {
    const keys = await loadKeys(directory);
    if (existing === undefined || keys === undefined) {
      throw new MeshError("needs-join", `this machine is not registered in ${plan.network ?? "any network"} yet`);
    }
    concealKeys(keys, redactor);
    return { keys, enrolment: { ...existing, urls: [...(plan.servers ?? existing.urls)] } };
  }
  // Made once it is clear that there is somewhere to go: a join that cannot go anywhere leaves nothing behind.
  const keysOf = async () => {
    const keys = await loadOrCreateKeys(directory);
    concealKeys(keys, redactor);
    return keys;
  };
  const dial = underlayDial(underlaySockets(settings.fwmark));
  const log = loggerOf("control", logger);
  const enrolment = await enrol({ plan, keysOf, existing, others, dial, progress, logger: log, signal });
  // Removed by the coordinator and registered anew: the address in the cached map is this machine's no more.
  if (existing !== undefined && existing.self.ip4 !== enrolment.self.ip4) {
    await new MapCache(directory, log).dropMap();
  }
  return { keys: await keysOf(), enrolment };
}

/** `MESH_AEAD` forces a provider, for measurements and for when the choice made by itself is wrong. */
function forcedAeadProvider(): AeadProviderName | "auto" {
  const wanted = process.env.MESH_AEAD;
  if (wanted === undefined || wanted === "") return "auto";
  if (wanted === "openssl" || wanted === "sodium" || wanted === "noble") return wanted;
  throw new MeshError("bad-usage", `MESH_AEAD is openssl, sodium or noble, not ${JSON.stringify(wanted)}`);
}
