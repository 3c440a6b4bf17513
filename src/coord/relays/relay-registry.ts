import type { RelayInfo } from "../../api/network-map.ts";
import type { RelayRow } from "../store/schema.ts";
import type { RelayChoice } from "./home-relays.ts";

/** A stand-alone relay. Immutable: a change makes another one. */
export interface RelayEntry {
  readonly id: string;
  readonly name: string;
  readonly machineKey: string;
  /** Relays are removed, never disabled. */
  readonly enabled: true;
  readonly urls: readonly string[];
  readonly stunPorts: readonly number[];
  readonly hasPublicCertificate: boolean;
  readonly online: boolean;
  readonly lastSeenAtMs: number | null;
  readonly createdAtMs: number;
  /** `Clock.monotonicMs` since which it has been out of our sight; meaningless while it is online. */
  readonly offlineSinceMs: number;
}

export interface RelayRegistryOptions {
  /** What peers are to trust our certificates by. */
  readonly caPem: string;
  /** Whether the coordinator relays as well. */
  readonly hasOwn: boolean;
  /** A relay that is out of sight for so long is nobody's first choice any more. */
  readonly awayMs: number;
}

/** The stand-alone relays in memory, as the database has them plus presence. */
export class RelayRegistry {
  readonly #options: RelayRegistryOptions;
  readonly #relays = new Map<string, RelayEntry>();
  #away = "";
  /** Peers are to be told of other relays than before. */
  onChange: () => void = () => {};

  constructor(rows: readonly RelayRow[], options: RelayRegistryOptions, nowMs: number) {
    this.#options = options;
    for (const row of rows) this.#relays.set(row.machine_key, entryOf(row, undefined, nowMs));
  }

  list(): readonly RelayEntry[] {
    return [...this.#relays.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  byMachineKey(machineKey: string): RelayEntry | undefined {
    return this.#relays.get(machineKey);
  }

  /** What peers are told: those that have said where they are. */
  infos(): readonly RelayInfo[] {
    const { caPem } = this.#options;
    return this.list()
      .filter(({ urls }) => urls.length > 0)
      .map(({ id, name, urls, stunPorts, hasPublicCertificate }) => ({
        id,
        name,
        urls: [...urls],
        caPem: hasPublicCertificate ? null : caPem,
        stunPorts: [...stunPorts],
      }));
  }

  choice(nowMs: number): RelayChoice {
    const { hasOwn, awayMs } = this.#options;
    const standalone = this.list()
      .filter(({ urls }) => urls.length > 0)
      .map(({ id, online, offlineSinceMs }) => ({ id, isAway: !online && nowMs - offlineSinceMs >= awayMs }));
    return { standalone, hasOwn };
  }

  /** Takes over what the database now says of a relay. */
  applyRow(row: RelayRow, nowMs: number): void {
    const before = this.#relays.get(row.machine_key);
    this.#relays.set(row.machine_key, entryOf(row, before, nowMs));
    this.onChange();
  }

  remove(machineKey: string): void {
    if (this.#relays.delete(machineKey)) this.onChange();
  }

  setPresence(machineKey: string, online: boolean, wallMs: number, nowMs: number): void {
    const relay = this.#relays.get(machineKey);
    if (relay === undefined) return;
    this.#relays.set(machineKey, { ...relay, online, lastSeenAtMs: wallMs, offlineSinceMs: nowMs });
    this.review(nowMs);
  }

  /** To be called now and then: relays are out of sight for long, or are back. */
  review(nowMs: number): void {
    const away = this.choice(nowMs)
      .standalone.filter(({ isAway }) => isAway)
      .map(({ id }) => id)
      .join();
    if (away === this.#away) return;
    this.#away = away;
    this.onChange();
  }
}

function entryOf(row: RelayRow, before: RelayEntry | undefined, nowMs: number): RelayEntry {
  return {
    id: row.id,
    name: row.name,
    machineKey: row.machine_key,
    enabled: true,
    urls: JSON.parse(row.urls),
    stunPorts: JSON.parse(row.stun_ports),
    hasPublicCertificate: row.public_certificate === 1,
    online: before?.online ?? false,
    lastSeenAtMs: before?.lastSeenAtMs ?? row.last_seen_at,
    createdAtMs: row.created_at,
    offlineSinceMs: before?.offlineSinceMs ?? nowMs,
  };
}
