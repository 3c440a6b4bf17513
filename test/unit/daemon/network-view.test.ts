import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silentLogger } from "../../../src/base/logger.ts";
import { MapCache } from "../../../src/control/map-cache.ts";
import { NetworkView } from "../../../src/daemon/network-view.ts";
import { Warnings } from "../../../src/daemon/warnings.ts";
import { mapPeer, networkMap, randomKey } from "../../support/network-map.ts";

describe("the view of the network, held to the pins", () => {
  let directory: string;
  let warnings: Warnings;
  let view: NetworkView;
  const machineKey = randomKey();
  const { network, self } = networkMap([]);

  beforeEach(async () => {
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

  const take = (...peers: ReturnType<typeof mapPeer>[]) => view.take(networkMap(peers, { self })).peers;

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
});
