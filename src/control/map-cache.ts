import { randomBytes } from "node:crypto";
import { readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { type NetworkMap, networkMapSchema } from "../api/network-map.ts";
import { errnoOf } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { writeFileAtomic } from "../host/atomic-file.ts";
import { type Pin, pinSchema, pinsOf } from "./pins.ts";

const pinFileSchema = z.strictObject({ version: z.literal(1), pins: z.array(pinSchema).max(1_000_000) });
const mapFileSchema = z.strictObject({
  version: z.literal(1),
  seenAtMs: z.number().int().min(0).default(0),
  map: networkMapSchema,
});

export interface KnownNetwork {
  readonly map: NetworkMap;
  /** `Clock.wallMs` of when the coordinator vouched for the map last. */
  readonly seenAtMs: number;
  readonly pins: readonly Pin[];
}

export interface CachedMap extends Omit<KnownNetwork, "map"> {
  readonly map: NetworkMap | undefined;
  /** What the user should know: files that were set aside. */
  readonly warnings: readonly string[];
}

/**
 * The last verified map and the pins, in two files: losing the map costs a download, losing the pins costs trust. A file
 * that cannot be read is set aside under another name, never overwritten and never taken for an empty one.
 */
export class MapCache {
  readonly #mapFile: string;
  readonly #pinFile: string;
  readonly #logger: Logger;

  constructor(directory: string, logger: Logger) {
    this.#mapFile = join(directory, "map.json");
    this.#pinFile = join(directory, "pins.json");
    this.#logger = logger;
  }

  async load(): Promise<CachedMap> {
    const warnings: string[] = [];
    const cached = await this.#read(this.#mapFile, mapFileSchema, warnings);
    const pinned = await this.#read(this.#pinFile, pinFileSchema, warnings);
    const { map, seenAtMs } = cached ?? { map: undefined, seenAtMs: 0 };
    if (pinned !== undefined) return { map, seenAtMs, pins: pinned.pins, warnings };
    // The map was checked against the pins before it was kept, so it implies those of the peers in it.
    const pins = map === undefined ? [] : pinsOf(map, seenAtMs);
    if (warnings.length > 0) {
      warnings.push(
        pins.length > 0
          ? `the pins of ${pins.length} peers were rebuilt from the cached map; peers that were not in it are trusted anew`
          : "the pins are lost: the keys of all peers are trusted anew",
      );
    }
    return { map, seenAtMs, pins, warnings };
  }

  /** Pins first: a crash in between leaves pins without their map, which is harmless; the other way round is not. */
  async save({ map, seenAtMs, pins }: KnownNetwork): Promise<void> {
    await this.#savePins(pins);
    await writeFileAtomic(this.#mapFile, JSON.stringify({ version: 1, seenAtMs, map }), { mode: 0o600 });
  }

  /** Forgets the map and keeps every pin. */
  async dropMap(): Promise<void> {
    const { pins } = await this.load();
    await this.#savePins(pins);
    await rm(this.#mapFile, { force: true });
  }

  async #savePins(pins: readonly Pin[]): Promise<void> {
    await writeFileAtomic(this.#pinFile, JSON.stringify({ version: 1, pins }), { mode: 0o600 });
  }

  async #read<Schema extends z.ZodType>(
    file: string,
    schema: Schema,
    warnings: string[],
  ): Promise<z.output<Schema> | undefined> {
    let text: string;
    try {
      text = await readFile(file, "utf8");
    } catch (failure) {
      if (errnoOf(failure) === "ENOENT") return undefined;
      throw failure;
    }
    const parsed = schema.safeParse(parseJson(text));
    if (parsed.success) return parsed.data;
    const aside = `${file}.corrupt-${randomBytes(4).toString("hex")}`;
    await rename(file, aside);
    const warning = `${file} cannot be read and was set aside as ${aside}`;
    this.#logger.warn({ file, aside }, "a corrupt file was set aside");
    warnings.push(warning);
    return undefined;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // No schema takes undefined: the caller meets broken JSON and a wrong shape in one place.
    return undefined;
  }
}
