import { isDeepStrictEqual } from "node:util";
import type { SettingsReply, SettingsView } from "../../api/local-settings.ts";
import {
  type NetworkState,
  SETTING_NAMES,
  type SettingName,
  type Settings,
  type SomeSettings,
  type StoredSettings,
} from "../networks/network-state.ts";
import { defaultsOf, type GivenOptions, givenIn, overlay, settleSettings, sourceOf } from "./given-settings.ts";
import { isLive } from "./live-settings.ts";
import { keyOf, NAME_OF, SETTING_KEYS, writeSettings } from "./written-settings.ts";

/** Those who live by the settings. */
export interface SettingsFollower {
  /** @throws MeshError for what can be known to fail, before anything is done */
  require(settings: Settings): Promise<void>;
  /** Of what goes on whether traffic does or not. @throws MeshError what was in force before still is then */
  serve(settings: Settings): Promise<void>;
  /** While traffic goes on. @throws MeshError what was in force before still is then */
  change(settings: Settings, changed: ReadonlySet<SettingName>): Promise<void>;
  /** Whether the tunnel was built anew. @throws MeshError as `change` */
  rebuild(settings: Settings): Promise<boolean>;
}

export type SettingsChange = Omit<SettingsReply, "settings">;

/** The settings in force, and on disk. Changes come one after the other: the caller sees to that. */
export class SettingsKeeper {
  readonly #file: NetworkState["settings"];
  readonly #follower: SettingsFollower;
  #stored: StoredSettings;

  constructor(stored: StoredSettings, file: NetworkState["settings"], follower: SettingsFollower) {
    this.#stored = stored;
    this.#file = file;
    this.#follower = follower;
  }

  get current(): Settings {
    return this.#stored;
  }

  get defaults(): Settings {
    return defaultsOf(this.#stored);
  }

  view(): SettingsView {
    return viewSettings(this.#stored);
  }

  /** By command. All or nothing. @throws as `SettingsFollower` */
  set(changes: SomeSettings): Promise<SettingsChange> {
    return this.#take(commanded(changes, this.#stored));
  }

  /** What flags and file say. All or nothing. @throws MeshError `settings-conflict`, and as `set` */
  settle(asked: SomeSettings, options: GivenOptions): Promise<SettingsChange> {
    return this.#take(settleSettings(asked, this.#stored, options).settings);
  }

  /** An exit is on the disk before it is in force, and no exit after: whatever ends us, the next start keeps traffic in. */
  async #take(next: StoredSettings): Promise<SettingsChange> {
    const before = this.#stored;
    const changed = changedSettings(before, next);
    const isFirstOnDisk = next.exitNodes.length > 0;
    let rebuilt = false;
    if (changed.size > 0) {
      await this.#follower.require(next);
      if (isFirstOnDisk) await this.#file.write(next);
      try {
        await this.#follower.serve(next);
        if ([...changed].every(isLive)) await this.#follower.change(next, changed);
        else rebuilt = await this.#follower.rebuild(next);
      } catch (failure) {
        if (isFirstOnDisk) await this.#file.write(before);
        await this.#follower.serve(before);
        throw failure;
      }
    }
    if (!isFirstOnDisk || changed.size === 0) await this.#file.write(next);
    this.#stored = next;
    return { changed: [...changed].map(keyOf), rebuilt };
  }
}

/** What a command leaves, beside what flags and file have said. */
export function commanded(changes: SomeSettings, stored: StoredSettings): StoredSettings {
  return { ...overlay(stored, changes), given: givenIn(stored) };
}

export function changedSettings(before: Settings, next: Settings): Set<SettingName> {
  return new Set(SETTING_NAMES.filter((name) => !isDeepStrictEqual(before[name], next[name])));
}

export function viewSettings(stored: StoredSettings): SettingsView {
  const written = writeSettings(stored);
  const settings = SETTING_KEYS.map((key) => ({
    key,
    value: written[key],
    source: sourceOf(NAME_OF[key], stored),
    change: isLive(NAME_OF[key]) ? ("live" as const) : ("rebuild" as const),
  }));
  return { settings };
}
