import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { silentLogger } from "../../../src/base/logger.ts";
import { resolverOwner, serversThatAsk } from "../../../src/daemon/dns/resolver-owner.ts";
import { Neighbours, withdrawNotice } from "../../../src/daemon/neighbours/neighbours.ts";
import { type Home, networkPaths, resolveHome } from "../../../src/daemon/networks/home.ts";

const DNS = { server: "127.0.0.99", domain: "work", zones: ["99.10.in-addr.arpa"] };

describe("networks of one machine", () => {
  let directory: string;
  let home: Home;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "mesh-neighbours-"));
    home = resolveHome(directory);
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const open = (network: string, own: { exit?: boolean; boot?: string } = {}) => {
    const { exit = false, boot = "this boot" } = own;
    const has = { interface: `${network}0`, reach: ["10.99.0.0/16"], exit };
    return Neighbours.open(networkPaths(home, network), has, { logger: silentLogger, boot });
  };

  it("tell each other what they have, as soon as it is so, and hear nothing of themselves", async () => {
    await using one = await open("home");
    let changes = 0;
    one.onChange(() => changes++);
    const two = await open("work");
    await vi.waitFor(() => expect(one.all).toHaveLength(1));
    expect(two.all.map(({ network }) => network)).toEqual(["home"]);
    expect([one.networkOf("work0"), one.networkOf("home0"), one.reach]).toEqual(["work", undefined, ["10.99.0.0/16"]]);
    await two.tell({ dns: DNS });
    await vi.waitFor(() => expect(one.all[0]?.dns).toEqual(DNS));
    const before = changes;
    await two.tell({ dns: { ...DNS } });
    one.look();
    expect(changes).toBe(before);
    await two[Symbol.asyncDispose]();
    await vi.waitFor(() => expect(one.all).toEqual([]));
  });

  it("one that ends with an exit asked for is still heeded, until its guard is taken out", async () => {
    await using one = await open("home");
    {
      await using _two = await open("work", { exit: true });
    }
    one.look();
    expect(one.all).toMatchObject([{ network: "work", exit: true }]);
    await withdrawNotice(networkPaths(home, "work"));
    one.look();
    expect(one.all).toEqual([]);
  });

  it("what is of an earlier boot, or makes no sense, says nothing", async () => {
    {
      await using _old = await open("old", { boot: "another boot", exit: true });
    }
    writeFileSync(join(directory, "run", "peer-torn.json"), '{"version":1,"bo');
    await using one = await open("home");
    expect(existsSync(networkPaths(home, "old").noticeFile)).toBe(true);
    expect(one.all).toEqual([]);
  });

  it("of one that has resolv.conf it is known whether our names are asked of us", async () => {
    await using one = await open("home");
    await using two = await open("work");
    one.look();
    expect(await resolverOwner("elsewhere", "mesh", one)).toBeUndefined();
    // Its daemon was killed: nobody answers for it.
    expect(await resolverOwner("work", "mesh", one)).toBe("gone");
    mkdirSync(join(directory, "run"), { recursive: true });
    await using server = createServer().listen(networkPaths(home, "work").socketPath);
    await new Promise((resolve) => server.once("listening", resolve));
    expect(await resolverOwner("work", "mesh", one)).toMatchObject({ isAsked: false });
    await two.tell({ dns: DNS });
    one.look();
    expect(await resolverOwner("work", "mesh", one)).toMatchObject({ isAsked: true });
    expect([serversThatAsk("mesh", one), serversThatAsk("work", one)]).toEqual([["127.0.0.99"], []]);
    for (const domain of ["work", "lab.work"]) {
      const word = { isAsked: false, reason: expect.stringContaining("mesh serve --domain") };
      expect(await resolverOwner("work", domain, one)).toEqual(word);
    }
  });
});
