import type { FilterRule } from "../../api/filter-rule.ts";
import { parseSelector } from "../../api/filter-rule.ts";
import type { PeerPreference } from "../../api/path-preference.ts";
import { type FilterSettings, type WrittenSettings, writtenSettingsSchema } from "../../api/peer-config.ts";
import type { SshJump } from "../../api/ssh-jump.ts";
import { MeshError } from "../../base/errors.ts";
import { DEFAULT_SETTINGS, type SettingName, type Settings, type SomeSettings } from "../networks/network-state.ts";

/** A setting by its name in `peer.yaml`. */
export type SettingKey = keyof WrittenSettings;

/** Where each is kept. */
export const NAME_OF = {
  interface: "interface",
  listen_port: "listenPort",
  ssh_port: "sshPorts",
  ssh: "sshJump",
  fwmark: "fwmark",
  mtu: "mtu",
  transports: "transports",
  paths: "peerPreferences",
  filter: "filter",
  allow_exit_traffic: "allowExitTraffic",
  advertise_routes: "advertiseRoutes",
  snat_routes: "snatRoutes",
  accept_routes: "acceptRoutes",
  exit_node: "exitNodes",
  exit_allow_lan: "exitAllowLan",
  dns: "dns",
  local_group: "localGroup",
  metrics_listen: "metricsListen",
  log_levels: "logLevels",
} as const satisfies Record<SettingKey, SettingName>;

export const SETTING_KEYS = Object.keys(NAME_OF) as SettingKey[];

export function keyOf(name: SettingName): SettingKey {
  return SETTING_KEYS.find((key) => NAME_OF[key] === name)!;
}

/** @throws MeshError `setting-unknown` */
export function requireSettingKeys(words: readonly string[]): SettingKey[] {
  const unknown = words.filter((word) => !Object.hasOwn(NAME_OF, word));
  if (unknown.length > 0) throw new MeshError("setting-unknown", `there is no setting ${unknown.join(", ")}`);
  return words as SettingKey[];
}

/**
 * Settings out of what people write; null stands for the default.
 * @param defaults of the network
 * @throws MeshError `setting-unknown`, `setting-invalid` with every fault
 */
export function parseSettings(
  written: Readonly<Record<string, unknown>>,
  defaults: Settings = DEFAULT_SETTINGS,
): SomeSettings {
  const keys = requireSettingKeys(Object.keys(written));
  const said = Object.fromEntries(Object.entries(written).filter(([, value]) => value !== null));
  const parsed = writtenSettingsSchema.safeParse(said);
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
    throw new MeshError("setting-invalid", faults.join("\n"));
  }
  const values: Readonly<Partial<Record<SettingKey, unknown>>> = parsed.data;
  // A parsed null is no default: it takes a jump host away.
  const settingOf = (key: SettingKey) => values[key] ?? (written[key] === null ? defaults[NAME_OF[key]] : null);
  return Object.fromEntries(keys.map((key) => [NAME_OF[key], settingOf(key)]));
}

/** Each setting as people would write it. `parseSettings` takes it back. */
export function writeSettings(settings: Settings): Required<WrittenSettings>;
export function writeSettings(settings: SomeSettings): WrittenSettings;
export function writeSettings(settings: SomeSettings): WrittenSettings {
  const said = SETTING_KEYS.filter((key) => settings[NAME_OF[key]] !== undefined);
  return Object.fromEntries(said.map((key) => [key, writeSetting(key, settings)]));
}

function writeSetting(key: SettingKey, settings: SomeSettings): unknown {
  switch (key) {
    case "ssh_port":
      return offOr(settings.sshPorts ?? []);
    case "metrics_listen":
      return offOr(settings.metricsListen ?? []);
    case "advertise_routes":
      return offOr(settings.advertiseRoutes ?? []);
    case "exit_node":
      return offOr(settings.exitNodes ?? []);
    case "local_group":
      return settings.localGroup ?? "off";
    case "fwmark":
      return settings.fwmark === 0 ? "off" : settings.fwmark;
    case "ssh":
      return writeJump(settings.sshJump ?? null);
    case "paths":
      return Object.fromEntries(
        Object.entries(settings.peerPreferences ?? {}).map(([peer, one]) => [peer, writePreference(one)]),
      );
    case "filter":
      return writeFilter(settings.filter ?? { defaults: {}, rules: [] });
    default:
      return settings[NAME_OF[key]];
  }
}

function offOr<T>(list: readonly T[]): "off" | readonly T[] {
  return list.length === 0 ? "off" : list;
}

function writeJump(jump: SshJump | null) {
  if (jump === null) return { jump: "off" };
  const host = jump.host.includes(":") ? `[${jump.host}]` : jump.host;
  const { identityFile: identity, knownHostsFile } = jump;
  return { jump: `${jump.user}@${host}:${jump.port}`, identity, known_hosts: knownHostsFile };
}

function writePreference({ prefer, exclude }: PeerPreference) {
  return { prefer: prefer ?? "auto", exclude };
}

function writeFilter({ defaults, rules }: FilterSettings) {
  return {
    ...(defaults.in === undefined ? {} : { default: defaults.in }),
    ...(defaults.out === undefined ? {} : { default_out: defaults.out }),
    rules: rules.map(writeRule),
  };
}

function writeRule({ action, direction, protocol, ports, source, destination, comment }: FilterRule) {
  return {
    action,
    direction,
    protocol,
    port: ports,
    ...writeSelector("source", source),
    ...writeSelector("dest", destination),
    ...(comment === null ? {} : { comment }),
  };
}

function writeSelector(end: "source" | "dest", text: string) {
  const selector = parseSelector(text);
  return selector === undefined ? {} : { [`${end}_${selector.kind}`]: selector.word };
}
