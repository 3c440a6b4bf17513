import type { Command } from "commander";
import { metricsListenSchema } from "../../api/listening-config.ts";
import { logLevelsSchema } from "../../api/log-levels.ts";
import {
  interfaceNameSchema,
  loadPeerConfig,
  localGroupSchema,
  mtuSchema,
  type PeerConfig,
} from "../../api/peer-config.ts";
import { nameSchema } from "../../api/primitives.ts";
import { MeshError } from "../../base/errors.ts";
import { type LogLevel, logLevelsOf, PEER_SUBSYSTEMS } from "../../base/log-levels.ts";
import { quote } from "../../base/quote.ts";
import type { TransportName } from "../../base/transports.ts";
import { findConfig } from "./config-search.ts";
import type { DaemonFlags } from "./daemon-flags.ts";
import { parseExitNodes } from "./exit-nodes-option.ts";
import { type GlobalOptions, globalOptions } from "./globals.ts";
import { oneOrMore } from "./listening-flags.ts";

/** Flags, environment and file in one; the earlier wins. */
export interface PeerSettings {
  readonly globals: GlobalOptions;
  readonly config: PeerConfig;
  readonly interface: string | undefined;
  readonly listenPort: number | undefined;
  readonly sshPorts: number[] | undefined;
  readonly fwmark: number | undefined;
  readonly mtu: number | undefined;
  readonly transports: TransportName[] | undefined;
  readonly allowExitTraffic: boolean | undefined;
  readonly advertiseRoutes: string[] | undefined;
  readonly snatRoutes: boolean | undefined;
  readonly acceptRoutes: boolean | undefined;
  readonly exitNodes: string[] | undefined;
  readonly exitAllowLan: boolean | undefined;
  readonly dns: boolean | undefined;
  /** Null: no group. */
  readonly localGroup: string | null | undefined;
  readonly metricsListen: string[] | undefined;
  readonly logLevels: Record<string, LogLevel> | undefined;
  readonly detach: boolean;
}

/** @throws MeshError `bad-usage`, `bad-config`, `not-found` */
export async function resolvePeerSettings(flags: DaemonFlags, command: Command): Promise<PeerSettings> {
  const explicit = globalOptions(command);
  const file = findConfig("peer", flags.config);
  const found: PeerConfig = file === undefined ? EMPTY_CONFIG : await loadPeerConfig(file);
  const config = flags.config === undefined ? forNetwork(found, explicit.network) : found;
  if (flags.interface !== undefined && !interfaceNameSchema.safeParse(flags.interface).success) {
    throw new MeshError("bad-usage", `--interface: ${JSON.stringify(flags.interface)} cannot name an interface`, {
      hint: "Use letters, digits, _ . and -, at most 15.",
    });
  }
  if (flags.mtu !== undefined && !mtuSchema.safeParse(flags.mtu).success) {
    throw new MeshError("bad-usage", `--mtu: ${flags.mtu} is out of range`);
  }
  const globals: GlobalOptions = {
    ...explicit,
    home: explicit.home ?? config.home,
    network: explicit.network ?? config.network,
    verbose: explicit.explicit.verbose ?? config.verbose ?? false,
    logFormat: explicit.explicit.logFormat ?? config.logFormat ?? "pretty",
  };
  if (globals.network !== undefined && !nameSchema.safeParse(globals.network).success) {
    throw new MeshError("bad-name", `${JSON.stringify(globals.network)} cannot be the name of a network`);
  }
  return {
    globals,
    config,
    interface: flags.interface ?? config.interface,
    listenPort: flags.listenPort ?? config.listenPort,
    sshPorts: flags.sshPort ?? config.sshPorts,
    fwmark: flags.fwmark ?? config.fwmark,
    mtu: flags.mtu ?? config.mtu,
    transports: flags.transports ?? config.transports,
    allowExitTraffic: flags.allowExitTraffic ?? config.allowExitTraffic,
    advertiseRoutes: flags.advertiseRoutes ?? config.advertiseRoutes,
    snatRoutes: flags.snatRoutes ?? config.snatRoutes,
    acceptRoutes: flags.acceptRoutes ?? config.acceptRoutes,
    exitNodes: flags.exitNode === undefined ? config.exitNodes : parseExitNodes(flags.exitNode, "--exit-node"),
    exitAllowLan: flags.exitAllowLan ?? config.exitAllowLan,
    dns: flags.dns ?? config.dns,
    localGroup: flags.localGroup === undefined ? config.localGroup : parseLocalGroup(flags.localGroup),
    metricsListen: flags.metricsListen === undefined ? config.metricsListen : parseMetricsListen(flags.metricsListen),
    logLevels: flags.logLevel === undefined ? config.logLevels : parseLogLevels(flags.logLevel),
    detach: flags.detach ?? config.detach ?? false,
  };
}

/** A file that nobody named, and that is about another network, says nothing of this one. */
export function forNetwork(config: PeerConfig, network: string | undefined): PeerConfig {
  const isOfAnother = network !== undefined && config.network !== undefined && config.network !== network;
  return isOfAnother ? { ...EMPTY_CONFIG, home: config.home } : config;
}

/** @throws MeshError `bad-usage` */
function parseLocalGroup(text: string): string | null {
  const parsed = localGroupSchema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new MeshError("bad-usage", `--local-group: ${quote(text)} cannot be the name of a group`);
}

/** @throws MeshError `bad-usage` */
function parseMetricsListen(values: string[]): string[] {
  const parsed = metricsListenSchema.safeParse(oneOrMore(values));
  if (parsed.success) return parsed.data;
  throw new MeshError("bad-usage", `--metrics-listen: ${parsed.error.issues[0]?.message ?? "a wrong value"}`);
}

/** @throws MeshError `bad-usage` */
function parseLogLevels(words: string[]): Record<string, LogLevel> {
  const parsed = logLevelsSchema(PEER_SUBSYSTEMS).safeParse(logLevelsOf(words));
  if (parsed.success) return parsed.data;
  throw new MeshError("bad-usage", `--log-level: ${parsed.error.issues[0]?.message ?? "a wrong value"}`);
}

const EMPTY_CONFIG: PeerConfig = {
  home: undefined,
  network: undefined,
  servers: undefined,
  token: undefined,
  tokenFile: undefined,
  inviteFile: undefined,
  name: undefined,
  interface: undefined,
  listenPort: undefined,
  sshPorts: undefined,
  sshJump: undefined,
  fwmark: undefined,
  mtu: undefined,
  transports: undefined,
  peerPreferences: undefined,
  filter: undefined,
  allowExitTraffic: undefined,
  advertiseRoutes: undefined,
  snatRoutes: undefined,
  acceptRoutes: undefined,
  exitNodes: undefined,
  exitAllowLan: undefined,
  dns: undefined,
  localGroup: undefined,
  metricsListen: undefined,
  logLevels: undefined,
  detach: undefined,
  logFormat: undefined,
  verbose: undefined,
};
