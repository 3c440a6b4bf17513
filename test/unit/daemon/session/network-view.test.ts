import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EPHEMERAL_PIN_MS } from "../../../../src/api/bounds.ts";
import { silentLogger } from "../../../../src/base/logger.ts";
import { MapCache } from "../../../../src/control/map-cache.ts";
import { NetworkView } from "../../../../src/daemon/session/network-view.ts";
import { Warnings } from "../../../../src/daemon/warnings.ts";
import { mapPeer, networkMap, randomKey } from "../../../support/network-map.ts";

describe("the view of the network, held to the pins", () => {
  let directory: string;
  let warnings: Warnings;
  let view: NetworkView;
  let nowMs: number;
  const machineKey = randomKey();
  const { network, self } = networkMap([]);

  beforeEach(async () => {
    nowMs = Date.parse("2026-01-01T00:00:00Z");
    directory = mkdtempSync(join(tmpdir(), "mesh-view-"));
    await open();
  });
  afterEach(async () => {
    await view.flush();
    rmSync(directory, { recursive: true, force: true });
  });

  /** As at a start of the daemon: with what is on disk. */
  async function open(): Promise<void> {
    warnings = new Warnings(() => {});
    const expected = { networkId: network.id, wireguardKey: self.wireguardKey, machineKey };
    view = await NetworkView.open(expected, {
      cache: new MapCache(directory, silentLogger),
      warnings,
      logger: silentLogger,
    });
  }

  const take = (...peers: ReturnType<typeof mapPeer>[]) => {
    const taken = view.take(networkMap(peers, { self }), nowMs);
    expect(view.map).toBe(taken);
    return taken.peers;
  };

  it("stays as it is when a map is refused whole", () => {
    const bob = mapPeer("bob", 2);
    take(bob);
    const before = view.map;
    const foreign = networkMap([mapPeer("eve", 3)], { self, network: { ...network, id: crypto.randomUUID() } });
    expect(() => view.take(foreign, nowMs)).toThrow(expect.objectContaining({ code: "map-refused" }));
    expect(view.map).toBe(before);
    expect(take(bob)).toEqual([bob]);
  });

  it("is written as soon as it can be where it could not be", async () => {
    renameSync(directory, `${directory}-away`);
    take(mapPeer("bob", 2));
    await view.flush();
    expect(warnings.list()).toEqual([expect.stringContaining("cannot be kept on disk")]);
    renameSync(`${directory}-away`, directory);
    view.keep();
    await view.flush();
    expect(warnings.list()).toEqual([]);
    await open();
    expect(view.map?.peers).toHaveLength(1);
  });

  it("lets in what was accepted, and nothing that comes in its place, also after a start", async () => {
    const [former, replacement, third] = [mapPeer("bob", 2), mapPeer("bob", 2), mapPeer("bob", 2)];
    expect(take(former)).toEqual([former]);
    expect(take(replacement)).toEqual([]);
    expect(warnings.list()).toEqual([expect.stringContaining(`${replacement.wireguardKey}: mesh peers accept bob`)]);
    expect(await view.accept("bob")).toEqual(replacement);
    expect(take(third)).toEqual([]);
    await view.flush();
    await open();
    expect(take(former)).toEqual([]);
    expect(take(replacement)).toEqual([replacement]);
    expect(warnings.list()).toEqual([]);
  });

  it("names who took over the name of a deleted peer until it is accepted, also after a start", async () => {
    const [former, replacement] = [mapPeer("bob", 2), mapPeer("bob", 7)];
    take(former);
    take();
    expect(take(replacement)).toEqual([replacement]);
    await view.flush();
    await open();
    expect(warnings.list()).toEqual([expect.stringContaining("peer bob is another machine than before")]);
    await view.accept("bob");
    take(replacement);
    expect(warnings.list()).toEqual([]);
    expect(take(former, replacement)).toEqual([replacement]);
  });

  it("has nothing to accept of peers that it trusts, does not know, or that come with our own keys", async () => {
    take(mapPeer("bob", 2), mapPeer("eve", 3, { machineKey }));
    expect(warnings.list()).toEqual([expect.stringMatching(/^peer eve is kept out: .* keys of this machine$/)]);
    for (const name of ["bob", "carol", "eve"])
      await expect(view.accept(name)).rejects.toMatchObject({ code: "not-found" });
  });

  describe("of ephemeral peers", () => {
    const HOUR_MS = 3_600_000;
    const [job, next] = [mapPeer("job", 2, { ephemeral: true }), mapPeer("job-2", 2, { ephemeral: true })];

    it("lets another have the address a day after a map had the former one last, and not a moment sooner", () => {
      take(job);
      nowMs += HOUR_MS;
      take(job);
      nowMs += EPHEMERAL_PIN_MS - 1;
      expect(take(next)).toEqual([]);
      nowMs += 1;
      expect(take(next)).toEqual([next]);
      expect(warnings.list()).toEqual([]);
      expect(take(job)).toEqual([]);
    });

    it("does so after a start, with a machine that was off for a week and holds the former one's map", async () => {
      take(job);
      await view.flush();
      nowMs += 7 * 24 * HOUR_MS;
      await open();
      expect(view.map?.peers).toEqual([job]);
      expect(take(next)).toEqual([next]);
      expect(warnings.list()).toEqual([]);
    });

    it("holds the address for one that is there, however long no other map comes, also over starts", async () => {
      take(job);
      for (let hour = 0; hour < 72; hour++) {
        nowMs += HOUR_MS;
        view.seenAgain(nowMs);
      }
      await view.flush();
      await open();
      expect(take(next)).toEqual([]);
      nowMs += EPHEMERAL_PIN_MS - 1;
      expect(take(next)).toEqual([]);
    });

    it("counts from when a clock that was ahead is set right, and holds on while it is set back", async () => {
      nowMs += 10 * 365 * 24 * HOUR_MS;
      take(job);
      await view.flush();
      nowMs -= 10 * 365 * 24 * HOUR_MS;
      await open();
      expect(take(next)).toEqual([]);
      nowMs += EPHEMERAL_PIN_MS - 1;
      expect(take(next)).toEqual([]);
      nowMs += 1;
      expect(take(next)).toEqual([next]);
    });

    it("never lets go of the address of one that was met as lasting, whatever maps say of it later", async () => {
      const server = mapPeer("server", 2);
      take(server);
      const turned = { ...server, ephemeral: true };
      for (const peer of [turned, { ...turned, name: "renamed" }, { ...turned, ip4: "10.86.0.77", ip6: "fd86::77" }]) {
        expect(take(peer)).toEqual([peer]);
      }
      nowMs += 365 * 24 * HOUR_MS;
      await view.flush();
      await open();
      for (const host of [2, 77]) expect(take(mapPeer("thief", host, { ip6: `fd86::${host}` }))).toEqual([]);
      expect(take(server)).toEqual([server]);
    });

    it("holds for good what a person accepted in the place of a lasting one", async () => {
      take(mapPeer("server", 2));
      const replacement = mapPeer("server", 2, { ephemeral: true });
      take(replacement);
      await view.accept("server");
      nowMs += 365 * 24 * HOUR_MS;
      expect(take(mapPeer("server", 2))).toEqual([]);
      expect(take(replacement)).toEqual([replacement]);
    });
  });
});
