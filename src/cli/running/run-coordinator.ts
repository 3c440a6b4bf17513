import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { Command } from "commander";
import { loadServerConfig, type ServerConfig, serverConfigSchema } from "../../api/server-config.ts";
import { Coordinator } from "../../coord/coordinator.ts";
import { openLog } from "../../daemon/log/log.ts";
import { coordinatorSocketPath, type Home, listNetworks, resolveHome } from "../../daemon/networks/home.ts";
import { notifyService } from "../../daemon/sd-notify.ts";
import { startWatchdog } from "../../daemon/watchdog.ts";
import { requireNetAdmin, requireTunDevice } from "../../host/preflight.ts";
import { findConfig } from "../options/config-search.ts";
import { type GlobalOptions, globalOptions } from "../options/globals.ts";
import { definedOnly, listeningKeys, parseFlags } from "../options/listening-flags.ts";
import { withPeerConfig } from "../options/peer-globals.ts";
import type { ServeFlags } from "../options/serve-flags.ts";
import { printJsonLine, printLine } from "../output.ts";
import { aborted, endSignal } from "./end-signal.ts";
import { HostMember, type MemberRunning } from "./host-member.ts";
import { relayUpgrade } from "./relay-upgrade.ts";
import { Reloads } from "./reloads.ts";
import { SERVER_AT_START, takeListening } from "./take-listening.ts";
import { letYoungGenerationGrow } from "./young-generation.ts";

const DEFAULT_STUN_LISTEN = [":3478"];

/** Runs the coordinator until SIGINT or SIGTERM, and with `--join` the daemon of its host beside it. */
export async function serve(flags: ServeFlags, command: Command): Promise<void> {
  letYoungGenerationGrow();
  const globals = globalOptions(command);
  const options = await readOptions(flags);
  const run: ProcessOptions = {
    json: globals.json,
    home: globals.home ?? options.home,
    logFormat: globals.explicit.logFormat ?? options.logFormat ?? "pretty",
    verbose: globals.explicit.verbose ?? options.verbose ?? false,
  };
  const home = resolveHome(run.home);
  const log = openLog({ format: run.logFormat, verbose: run.verbose });
  const { logger } = log;
  log.levels.use(options.logLevels ?? {});
  const reloads = new Reloads(logger);
  const stop = endSignal(() => reloads.ask());
  const join = options.join === false ? undefined : options.join;
  const memberHome = join === undefined ? undefined : await homeOfMember({ ...globals, home: run.home });
  const adminSocketPath = options.adminSocketPath ?? coordinatorSocketPath(home);
  await mkdir(dirname(adminSocketPath), { recursive: true, mode: 0o755 });
  const coordinator = await Coordinator.start(
    {
      home: home.stateDirectory,
      adminSocketPath,
      listen: options.listen,
      stunListen: options.stunListen ?? DEFAULT_STUN_LISTEN,
      stunMayFail: options.stunListen === undefined,
      metricsListen: options.metricsListen,
      publicUrls: options.publicUrls,
      name: options.name,
      domain: options.domain,
      networkCidr4: options.networkCidr4,
      networkCidr6: options.networkCidr6,
      tls: options.tls,
      trustedProxies: options.trustedProxies,
      hostJoins: join !== undefined,
    },
    { logger, upgrades: options.relay === false ? {} : relayUpgrade(options.relayLimits, logger) },
  );
  const { host, network } = coordinator;
  const member =
    host === undefined || join === undefined || memberHome === undefined
      ? undefined
      : new HostMember(
          { host, network, home: memberHome, name: join, globalFlags: globalFlags(run) },
          { logger, onRunning: (event) => announceMember(event, run) },
        );
  using _ = startWatchdog({ logger });
  try {
    announceFirstRun(coordinator, run);
    await Promise.race([member?.start(), aborted(stop)]);
    if (!stop.aborted) {
      announceReady(coordinator, run);
      notifyService("READY=1");
      reloads.serve(async () => {
        const next = await readOptions(flags);
        await takeListening(SERVER_AT_START, { started: options, next }, coordinator, log);
        member?.reload();
      });
      await aborted(stop);
    }
  } finally {
    await reloads.close();
    notifyService("STOPPING=1");
    await member?.close();
    await coordinator.close();
  }
}

/** What flags and file say. @throws MeshError `bad-config`, `bad-usage`, `not-found` */
async function readOptions(flags: ServeFlags): Promise<Partial<ServerConfig>> {
  const file = findConfig("server", flags.config);
  const config = file === undefined ? {} : await loadServerConfig(file);
  return { ...config, ...definedOnly(configOf(flags)) };
}

/** What concerns the process, not the coordinator in it. */
interface ProcessOptions {
  readonly json: boolean;
  readonly home: string | undefined;
  readonly logFormat: "pretty" | "json";
  readonly verbose: boolean;
}

/**
 * Where `mesh status` and its like will look for the daemon of this host.
 * @throws MeshError `missing-capability`, `no-tun-device` for a host that has yet to join: before anything is made
 */
async function homeOfMember(globals: GlobalOptions): Promise<Home> {
  const home = resolveHome((await withPeerConfig(globals)).home);
  if (listNetworks(home).length === 0) {
    requireNetAdmin();
    requireTunDevice();
  }
  return home;
}

function globalFlags({ home, logFormat, verbose }: ProcessOptions): string[] {
  const flags = ["--log-format", logFormat];
  if (verbose) flags.push("--verbose");
  return home === undefined ? flags : [...flags, "--home", home];
}

/** How to join, on the first run. */
function announceFirstRun({ firstToken, network }: Coordinator, { json }: ProcessOptions): void {
  if (firstToken === undefined) return;
  const { token, joinCommand, expiresAt } = firstToken;
  if (json) {
    printJsonLine({ event: "first-run", network: network.name, token, joinCommand, expiresAt });
    return;
  }
  printLine(
    `The network ${network.name} (${network.cidr4}, ${network.cidr6}) is made. Join its first peer, an admin, by:`,
  );
  printLine(`  ${joinCommand}`);
  printLine("For more peers: mesh token create");
}

function announceMember({ network, name, ip4, ip6 }: MemberRunning, { json }: ProcessOptions): void {
  if (json) printJsonLine({ event: "member", network, name, ip4, ip6 });
  else printLine(`this host is ${name} in ${network}: ${ip4} and ${ip6}`);
}

/** The one line that says it serves. */
function announceReady({ urls, network, caFingerprint }: Coordinator, { json }: ProcessOptions): void {
  const url = urls[0] ?? "";
  if (json) printJsonLine({ event: "ready", url, urls, network: network.name, caFingerprint });
  else printLine(`ready ${url}`);
}

/** @throws MeshError `bad-usage` */
function configOf(flags: ServeFlags): ServerConfig {
  return parseFlags(serverConfigSchema, {
    ...listeningKeys(flags),
    name: flags.name,
    domain: flags.domain,
    network_cidr: flags.networkCidr,
    network_cidr6: flags.networkCidr6,
    relay: flags.relay,
    join: flags.join,
  });
}
