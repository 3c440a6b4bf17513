import type { SettingsView } from "../api/local-settings.ts";
import type { Logger } from "../base/logger.ts";
import type { PeerKeys } from "../control/peer-keys.ts";
import type { Enrolment, NetworkState, Settings, SomeSettings, StoredSettings } from "./networks/network-state.ts";
import { PeerSession, type PeerSessionDeps } from "./session/peer-session.ts";
import type { SessionOptions } from "./session/session-parts.ts";
import { SessionSlot } from "./session/session-slot.ts";
import type { GivenOptions } from "./settings/given-settings.ts";
import { type SettingsChange, SettingsKeeper } from "./settings/settings-keeper.ts";
import { requireUsableSettings } from "./settings/usable-settings.ts";
import type { Intent } from "./state.ts";

export interface TrafficOptions extends Omit<SessionOptions, "settings"> {
  readonly settings: StoredSettings;
  readonly intent: Intent;
}

export interface TrafficDeps extends PeerSessionDeps {
  readonly logger: Logger;
  readonly state: NetworkState;
  /** Takes up what goes on whether traffic does or not. @throws MeshError what was in force before still is then */
  readonly serve: (settings: Settings) => Promise<void>;
}

/**
 * Whether traffic goes, as the user asked last, and by which settings. What is done to it comes in turns, one after the
 * other; a stop overtakes the starts before it.
 */
export class Traffic {
  readonly #deps: TrafficDeps;
  readonly #slot: SessionSlot<PeerSession, SessionOptions>;
  readonly #settings: SettingsKeeper;
  #options: Omit<SessionOptions, "settings">;
  #intent: Intent;
  #turn: Promise<unknown> = Promise.resolve();

  constructor({ settings, intent, ...options }: TrafficOptions, deps: TrafficDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#intent = intent;
    this.#slot = new SessionSlot({ open: (wanted) => PeerSession.start(wanted, deps), onChange: deps.onChange });
    this.#settings = new SettingsKeeper(settings, deps.state.settings, {
      require: (next) => this.#requireUsable(next),
      serve: deps.serve,
      change: async (next, changed) => this.session?.change(next, changed),
      rebuild: (next) => this.#rebuild(next),
    });
  }

  get session(): PeerSession | undefined {
    return this.#slot.current;
  }

  get facts(): { readonly intent: Intent; readonly engine: "off" | "starting" | "up" } {
    return { intent: this.#intent, engine: this.#slot.state };
  }

  get enrolment(): Enrolment {
    return this.#options.enrolment;
  }

  get keys(): PeerKeys {
    return this.#options.keys;
  }

  get settings(): Settings {
    return this.#settings.current;
  }

  /** What holds where nobody says anything. */
  get defaults(): Settings {
    return this.#settings.defaults;
  }

  viewSettings(): SettingsView {
    return this.#settings.view();
  }

  /** An admin may have changed it. */
  get ownName(): string {
    return this.session?.parts.view.map?.self.name ?? this.enrolment.self.name;
  }

  /** False where a later stop has overtaken it. */
  start(): Promise<boolean> {
    return this.inTurn(async () => {
      if (this.#slot.isOvertaken) return false;
      await this.#setIntent("up");
      return this.session !== undefined || (await this.#slot.start(this.#sessionOptions(this.settings)));
    });
  }

  /** A turn in which traffic is stopped: starts that were asked for before come to nothing. */
  inStoppingTurn<T>(work: () => Promise<T>): Promise<T> {
    this.#slot.overtake();
    return this.inTurn(() => {
      this.#slot.catchUp();
      return work();
    });
  }

  /** Inside such a turn. The next start of the daemon goes on where this one was, unless `down` was asked for. */
  async stop(intent: Intent = this.#intent): Promise<void> {
    if (intent !== this.#intent) await this.#setIntent(intent);
    await this.#slot.stop();
  }

  /** By command, inside a turn. All or nothing. @throws MeshError what the settings meet */
  set(changes: SomeSettings): Promise<SettingsChange> {
    return this.#settings.set(changes);
  }

  /** What flags and file say, inside a turn. All or nothing. @throws MeshError `settings-conflict`, and as `set` */
  settle(asked: SomeSettings, options: GivenOptions): Promise<SettingsChange> {
    return this.#settings.settle(asked, options);
  }

  /** Inside a turn: traffic that goes does so under these from now on. */
  async identify(identity: Pick<SessionOptions, "enrolment" | "keys">): Promise<void> {
    this.#options = { ...this.#options, ...identity };
    await this.#rebuild(this.settings);
  }

  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /** Where traffic goes: what cannot be built leaves it as it was. False where nothing was built. */
  async #rebuild(settings: Settings): Promise<boolean> {
    if (this.session === undefined) return false;
    try {
      return await this.#slot.start(this.#sessionOptions(settings));
    } catch (failure) {
      this.#deps.logger.warn(
        { err: failure },
        "the tunnel cannot be built as it was asked for: back to what was before",
      );
      await this.#slot.start(this.#sessionOptions(this.settings));
      throw failure;
    }
  }

  #sessionOptions(settings: Settings): SessionOptions {
    return { ...this.#options, settings };
  }

  #requireUsable(settings: Settings): Promise<void> {
    const { cidr4, cidr6 } = this.enrolment.network;
    const site = { inUse: this.settings, ranges: [cidr4, cidr6], ownName: this.ownName };
    return requireUsableSettings(settings, site);
  }

  async #setIntent(intent: Intent): Promise<void> {
    this.#intent = intent;
    await this.#deps.state.intent.write({ version: 1, intent });
  }
}
