import { isDeepStrictEqual } from "node:util";
import { MeshError } from "../../base/errors.ts";
import {
  type ChosenSettings,
  DEFAULT_SETTINGS,
  SETTING_NAMES,
  type SettingName,
  type Settings,
  type SomeSettings,
  type StoredSettings,
} from "../networks/network-state.ts";
import { keyOf } from "./written-settings.ts";

/** Where a setting comes from. */
export type SettingSource = "default" | "configuration" | "command";

export interface GivenOptions {
  /** What commands have set is dropped. */
  readonly reset: boolean;
  /** Nobody is there to answer: what commands have set stays, whatever flags and file say now. */
  readonly keepsCommands: boolean;
  /** As in the stored settings; those of before unless given. */
  readonly chosen?: ChosenSettings;
}

export interface SettledSettings {
  readonly settings: StoredSettings;
  /** Of flags and file, what commands outweigh although it is news. */
  readonly outweighed: readonly SettingName[];
}

/** What flags and file asked for last. */
export function givenIn(stored: StoredSettings): SomeSettings {
  if (stored.given !== undefined) return stored.given;
  // Of a time when commands were not told from flags.
  const { version: _, given: __, chosen: ___, ...settings } = stored;
  return settings;
}

/** What holds in this network where nobody says anything. */
export function defaultsOf({ chosen = {} }: Pick<StoredSettings, "chosen">): Settings {
  return overlay(DEFAULT_SETTINGS, chosen);
}

/** Out of all that a command line and a configuration file have led to. */
export function settingsIn(plan: SomeSettings): SomeSettings {
  return Object.fromEntries(SETTING_NAMES.flatMap((name) => (plan[name] === undefined ? [] : [[name, plan[name]]])));
}

/** The later ones outweigh. */
export function overlay(base: Settings, ...others: readonly SomeSettings[]): Settings {
  return Object.assign({ ...base }, ...others.map(settingsIn));
}

export function sourceOf(name: SettingName, stored: StoredSettings): SettingSource {
  const given = givenIn(stored);
  const usual = defaultsOf(stored)[name];
  if (!isDeepStrictEqual(stored[name], given[name] ?? usual)) return "command";
  return isDeepStrictEqual(stored[name], usual) ? "default" : "configuration";
}

/**
 * What holds once flags and file have spoken: where they say what they said before, or nothing, commands outweigh them. What
 * is not said stays.
 * @throws MeshError `settings-conflict` where they say something else than before of what a command has set
 */
export function settleSettings(
  asked: SomeSettings,
  stored: StoredSettings | undefined,
  { reset, keepsCommands, chosen = stored?.chosen ?? {} }: GivenOptions,
): SettledSettings {
  const defaults = defaultsOf({ chosen });
  if (stored === undefined) return { settings: { ...overlay(defaults, asked), given: asked, chosen }, outweighed: [] };
  const before = givenIn(stored);
  const commanded = reset ? [] : SETTING_NAMES.filter((name) => sourceOf(name, stored) === "command");
  const outweighed = commanded.filter((name) => {
    const word = asked[name];
    const isSame = [before[name], stored[name]].some((one) => isDeepStrictEqual(word, one));
    return word !== undefined && !isSame;
  });
  if (outweighed.length > 0 && !keepsCommands) throw conflict(outweighed);
  // What has not been heeded is still news the next time.
  const heeded = Object.fromEntries(Object.entries(asked).filter(([name]) => !outweighed.some((one) => one === name)));
  const given: SomeSettings = { ...before, ...heeded };
  const held: SomeSettings = Object.fromEntries(commanded.map((name) => [name, stored[name]]));
  return { settings: { ...overlay(defaults, given, held), given, chosen }, outweighed };
}

function conflict(names: readonly SettingName[]): MeshError {
  const keys = names.map(keyOf).join(", ");
  return new MeshError(
    "settings-conflict",
    `flags or configuration file would change what a command has set here (mesh set, mesh exit): ${keys}`,
  );
}
