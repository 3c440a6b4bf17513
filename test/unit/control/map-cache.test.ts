import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silentLogger } from "../../../src/base/logger.ts";
import { MapCache } from "../../../src/control/map-cache.ts";
import { checkPins, pinsOf } from "../../../src/control/pins.ts";
import { mapPeer, networkMap } from "../../support/network-map.ts";

describe("the map cache", () => {
  let directory: string;
  let cache: MapCache;
  const seenAtMs = Date.parse("2026-01-01T00:00:00Z");
  const map = networkMap([mapPeer("bob", 2)]);
  // One more than the map implies: a peer that left.
  const pins = checkPins(pinsOf(map, seenAtMs), [mapPeer("gone", 3)], { networkId: map.network.id, seenAtMs }).pins;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "mesh-cache-"));
    cache = new MapCache(directory, silentLogger);
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it("starts empty without complaint", async () => {
    expect(await cache.load()).toEqual({ map: undefined, seenAtMs: 0, pins: [], warnings: [] });
  });

  it("gives back what it was given, from files that only the owner reads", async () => {
    await cache.save({ map, seenAtMs, pins });
    expect(await cache.load()).toEqual({ map, seenAtMs, pins, warnings: [] });
    for (const name of readdirSync(directory)) expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);
  });

  it("forgets the map alone, also where the pins are known from it only", async () => {
    await cache.save({ map, seenAtMs, pins });
    await cache.dropMap();
    expect(await cache.load()).toEqual({ map: undefined, seenAtMs: 0, pins, warnings: [] });
    await cache.save({ map, seenAtMs, pins });
    rmSync(join(directory, "pins.json"));
    await cache.dropMap();
    expect(await cache.load()).toEqual({ map: undefined, seenAtMs: 0, pins: pinsOf(map, seenAtMs), warnings: [] });
    await cache.dropMap();
  });

  it.each(["", "{", "null", '{"version":1}', "\u0000\u0000"])(
    "keeps the pins when the map file holds %j",
    async (damage) => {
      await cache.save({ map, seenAtMs, pins });
      writeFileSync(join(directory, "map.json"), damage);
      const loaded = await cache.load();
      expect(loaded.map).toBeUndefined();
      expect(loaded.pins).toEqual(pins);
      expect(loaded.warnings[0]).toContain("map.json");
      const aside = readdirSync(directory).find((name) => name.startsWith("map.json.corrupt-"));
      expect(readFileSync(join(directory, aside ?? ""), "utf8")).toBe(damage);
    },
  );

  it("rebuilds lost pins from the map and says so", async () => {
    await cache.save({ map, seenAtMs, pins });
    writeFileSync(join(directory, "pins.json"), "garbage");
    const loaded = await cache.load();
    expect(loaded.pins).toEqual(pinsOf(map, seenAtMs));
    expect(loaded.warnings).toHaveLength(2);
    expect(loaded.warnings[1]).toContain("rebuilt");
  });

  it("says aloud when all pins are lost", async () => {
    await cache.save({ map, seenAtMs, pins });
    writeFileSync(join(directory, "pins.json"), "garbage");
    writeFileSync(join(directory, "map.json"), "garbage");
    const loaded = await cache.load();
    expect(loaded.pins).toEqual([]);
    expect(loaded.warnings.at(-1)).toContain("the pins are lost");
  });
});
