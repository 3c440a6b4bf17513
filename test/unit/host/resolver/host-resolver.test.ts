import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silentLogger } from "../../../../src/base/logger.ts";
import { HostChanges, readHostChanges, takeBackHostChanges } from "../../../../src/host/changes/host-changes.ts";
import type { CommandRunner } from "../../../../src/host/command.ts";
import { readFormerConf } from "../../../../src/host/resolver/former-conf.ts";
import { HostResolver, type ResolverWish } from "../../../../src/host/resolver/host-resolver.ts";
import { parseResolvConf } from "../../../../src/host/underlay/resolv-conf.ts";

// On real files; the programs of other resolvers are those of test/lab/host-resolver.test.ts, or answer as they do.

const THEIRS = "# by hand\nnameserver 192.0.2.53\nnameserver 2001:db8::53\nsearch lan\noptions edns0\n";
const WISH: ResolverWish = {
  interface: { name: "mesh0", index: 7 },
  servers: ["127.0.0.86"],
  domain: "mesh",
  zones: ["86.10.in-addr.arpa"],
  isDefault: false,
};
const LINK = JSON.stringify([{ ifindex: 7, ifname: "mesh0", flags: ["UP"], mtu: 1420 }]);

let directory: string;
let journal: string;
let nowMs: number;
let calls: string[];
let answers: (program: string, args: readonly string[]) => { status: number; stdout?: string } | undefined;
const files = () => ({
  resolvConf: join(directory, "resolv.conf"),
  resolvedUplinks: join(directory, "uplinks"),
  resolvconfRecords: [join(directory, "records")],
});

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "resolver-"));
  journal = join(directory, "journal");
  nowMs = 0;
  calls = [];
  answers = () => undefined;
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const run: CommandRunner = async (program, args, input) => {
  if (program === "ip") return { status: 0, stdout: LINK, stderr: "" };
  calls.push([program, ...args, ...(input === undefined ? [] : [input])].join(" "));
  const answer = answers(program, args);
  if (answer === undefined) throw Object.assign(new Error("not there"), { code: "ENOENT" });
  return { stdout: "", stderr: answer.status === 0 ? "" : "it will not", ...answer };
};
const deps = { logger: silentLogger, run };
const open = () => HostChanges.open(journal, deps);
const resolverOf = (changes: HostChanges, network = "mesh") =>
  new HostResolver(network, { changes, files: files(), nowMs: () => nowMs, platform: "linux" });
const conf = () => readFileSync(files().resolvConf, "utf8");
const formerServers = async () => parseResolvConf(await readFormerConf(files())).servers;

describe("a resolv.conf that nobody else decides over", () => {
  beforeEach(() => writeFileSync(files().resolvConf, THEIRS, { mode: 0o640 }));

  it("asks us, keeps what it said otherwise, and is given back as it was", async () => {
    await using changes = await open();
    const resolver = resolverOf(changes);
    await resolver.use(WISH);
    expect(resolver.state).toMatchObject({ manager: "resolv.conf", inForce: true });
    expect(parseResolvConf(conf())).toMatchObject({ servers: ["127.0.0.86"], search: ["lan", "mesh"] });
    expect(conf()).toContain("\noptions edns0\n");
    expect(await formerServers()).toEqual(["192.0.2.53", "2001:db8::53"]);
    await resolver.use({ ...WISH, isDefault: true });
    await resolver.look();
    expect(changes.list()).toHaveLength(1);
    await resolver.release("done");
    expect(conf()).toBe(THEIRS);
    expect(lstatSync(files().resolvConf).mode & 0o777).toBe(0o640);
    expect(changes.list()).toEqual([]);
  });

  it("is given back by another process, after a reboot too", async () => {
    await (await HostChanges.open(journal, deps))[Symbol.asyncDispose]();
    {
      await using changes = await open();
      await resolverOf(changes).use(WISH);
    }
    writeFileSync(journal, readFileSync(journal, "utf8").replace(/"boot":"[^"]*"/, '"boot":"another"'));
    expect(await readHostChanges(journal)).toHaveLength(1);
    const { undone, left } = await takeBackHostChanges(journal, deps);
    expect([undone.length, left]).toEqual([1, []]);
    expect(conf()).toBe(THEIRS);
  });

  it("what a killed writer left of either is mended", async () => {
    {
      await using changes = await open();
      await resolverOf(changes).use(WISH);
    }
    const [ours, kept] = [conf(), readFileSync(journal)];
    for (const torn of [ours.slice(0, 40), "", THEIRS.slice(0, 30), ours, THEIRS]) {
      writeFileSync(files().resolvConf, torn);
      writeFileSync(`${files().resolvConf}.mesh-new`, "half");
      writeFileSync(journal, kept);
      await takeBackHostChanges(journal, deps);
      expect(conf()).toBe(THEIRS);
      expect(() => lstatSync(`${files().resolvConf}.mesh-new`)).toThrow();
    }
  });

  it("that a DHCP client rewrites has new former servers, and theirs is what comes back", async () => {
    await using changes = await open();
    const resolver = resolverOf(changes);
    await resolver.use(WISH);
    const renewed = "nameserver 198.51.100.1\n";
    writeFileSync(files().resolvConf, renewed);
    await resolver.look();
    expect(parseResolvConf(conf()).servers).toEqual(["127.0.0.86"]);
    expect(await formerServers()).toEqual(["198.51.100.1"]);
    expect(changes.list()).toHaveLength(1);
    writeFileSync(files().resolvConf, THEIRS);
    await resolver.release("done");
    expect(conf()).toBe(THEIRS);
  });

  it("that somebody rewrites all the time stays theirs, but for once a minute", async () => {
    await using changes = await open();
    const resolver = resolverOf(changes);
    await resolver.use(WISH);
    let putBack = 0;
    for (; nowMs < 300_000; nowMs += 2000) {
      writeFileSync(files().resolvConf, THEIRS);
      await resolver.look();
      if (resolver.state.inForce) putBack++;
      else expect(resolver.state.reason).toContain("rewrites");
    }
    expect(putBack).toBeGreaterThanOrEqual(9);
    expect(putBack).toBeLessThanOrEqual(10);
    await resolver.release("done");
    expect(conf()).toBe(THEIRS);
  });

  it("of another network of ours is left to it", async () => {
    await using changes = await open();
    await resolverOf(changes, "work").use(WISH);
    const resolver = resolverOf(changes);
    await resolver.use({ ...WISH, servers: ["127.0.0.99"] });
    expect(resolver.state).toMatchObject({ inForce: false });
    expect(resolver.state.reason).toContain("mesh --network work");
    expect(parseResolvConf(conf()).servers).toEqual(["127.0.0.86"]);
  });

  it.each([
    ["asks us for our names", { isAsked: true, reason: "it asks us" }, true, "127.0.0.86"],
    ["does not", { isAsked: false, reason: "the domain is the same" }, false, "127.0.0.86"],
    ["is gone without giving it back", "gone" as const, true, "127.0.0.99"],
  ])("of another network of ours which %s", async (_what, word, inForce, server) => {
    await using changes = await open();
    await resolverOf(changes, "work").use(WISH);
    const owner = async () => word;
    const resolver = new HostResolver("mesh", { changes, files: files(), platform: "linux", owner });
    await resolver.use({ ...WISH, servers: ["127.0.0.99"] });
    for (let look = 0; look < 20; look++) await resolver.look();
    expect(resolver.state).toMatchObject({ inForce, ...(word === "gone" ? {} : { reason: word.reason }) });
    expect(parseResolvConf(conf()).servers).toEqual([server]);
    expect(await formerServers()).toEqual(["192.0.2.53", "2001:db8::53"]);
  });

  it("of ours whose journal is lost is known all the same", async () => {
    {
      await using changes = await open();
      await resolverOf(changes).use(WISH);
    }
    rmSync(journal);
    await using changes = await open();
    const resolver = resolverOf(changes);
    await resolver.use(WISH);
    expect(await formerServers()).toEqual(["192.0.2.53", "2001:db8::53"]);
    await resolver.release("done");
    expect(conf()).toBe(THEIRS);
  });
});

it("a link stays whose it is: where it leads is not written, and read as long as ours is there", async () => {
  writeFileSync(join(directory, "network-manager"), THEIRS);
  symlinkSync("network-manager", files().resolvConf);
  await using changes = await open();
  const resolver = resolverOf(changes);
  await resolver.use(WISH);
  expect(parseResolvConf(conf()).servers).toEqual(["127.0.0.86"]);
  writeFileSync(join(directory, "network-manager"), "nameserver 198.51.100.1\n");
  await resolver.look();
  expect(await formerServers()).toEqual(["198.51.100.1"]);
  await resolver.release("done");
  expect(readlinkSync(files().resolvConf)).toBe("network-manager");
  expect(conf()).toBe("nameserver 198.51.100.1\n");
});

it("where there was none, there is none afterwards", async () => {
  await using changes = await open();
  const resolver = resolverOf(changes);
  await resolver.use(WISH);
  expect(parseResolvConf(conf()).servers).toEqual(["127.0.0.86"]);
  await resolver.release("done");
  expect(() => lstatSync(files().resolvConf)).toThrow();
});

describe("systemd-resolved", () => {
  beforeEach(() => {
    writeFileSync(files().resolvConf, "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n");
    writeFileSync(files().resolvedUplinks, "nameserver 192.0.2.53\nnameserver 127.0.0.86\n");
  });

  it("is told by interface, and resolv.conf stays", async () => {
    answers = () => ({ status: 0 });
    await using changes = await open();
    const resolver = resolverOf(changes);
    await resolver.use(WISH);
    expect(resolver.state).toMatchObject({ manager: "systemd-resolved", inForce: true });
    await resolver.use({ ...WISH, isDefault: true });
    await resolver.look();
    await resolver.release("done");
    expect(calls.filter((call) => !/dnssec|dnsovertls/.test(call))).toEqual([
      "resolvectl dns",
      "resolvectl dns mesh0 127.0.0.86",
      "resolvectl domain mesh0 mesh ~86.10.in-addr.arpa",
      "resolvectl default-route mesh0 no",
      "resolvectl dns",
      "resolvectl revert mesh0",
      "resolvectl dns mesh0 127.0.0.86",
      "resolvectl domain mesh0 mesh ~86.10.in-addr.arpa ~.",
      "resolvectl default-route mesh0 yes",
      "resolvectl revert mesh0",
    ]);
    expect(conf()).toContain("127.0.0.53");
  });

  it("is never asked by us: the servers behind it are, and we ourselves are none of them", async () => {
    expect(await formerServers()).toEqual(["192.0.2.53"]);
  });

  it("that does not answer decides nothing", async () => {
    answers = () => ({ status: 1 });
    await using changes = await open();
    const resolver = resolverOf(changes);
    await resolver.use(WISH);
    expect(resolver.state).toMatchObject({ manager: "resolv.conf", inForce: true });
    await resolver.release("done");
    expect(conf()).toContain("127.0.0.53");
  });

  it("that refuses leaves all as it was", async () => {
    answers = (_program, args) => ({ status: args[0] === "domain" ? 1 : 0 });
    await using changes = await open();
    await expect(resolverOf(changes).use(WISH)).rejects.toMatchObject({ code: "host-change-failed" });
    expect(changes.list()).toEqual([]);
    expect(calls.at(-1)).toBe("resolvectl revert mesh0");
  });
});

it("resolvconf(8) is told, and the servers of its other records are the former ones", async () => {
  mkdirSync(join(directory, "records"));
  writeFileSync(join(directory, "records", "eth0"), "nameserver 192.0.2.53\n");
  writeFileSync(files().resolvConf, "# Generated by resolvconf\nnameserver 192.0.2.53\nsearch lan\n");
  answers = (_program, args) => {
    if (args.includes("-a")) {
      writeFileSync(files().resolvConf, "# Generated by resolvconf\nnameserver 127.0.0.86\n");
      writeFileSync(join(directory, "records", "mesh0"), "nameserver 127.0.0.86\n");
    }
    return { status: 0, stdout: args[0] === "--version" ? "openresolv 3.12.0\n" : "" };
  };
  await using changes = await open();
  const resolver = resolverOf(changes);
  await resolver.use(WISH);
  expect(resolver.state).toMatchObject({ manager: "openresolv", inForce: true });
  expect(await formerServers()).toEqual(["192.0.2.53"]);
  await resolver.look();
  await resolver.release("done");
  expect(calls).toEqual([
    "resolvconf --version",
    "resolvconf -m 0 -x -a mesh0 nameserver 127.0.0.86\nsearch lan mesh\n",
    "resolvconf -f -d mesh0",
  ]);
});

it("resolvconf(8) that leads to another network of ours is left alone, as long as that one asks us", async () => {
  mkdirSync(join(directory, "records"));
  writeFileSync(files().resolvConf, "# Generated by resolvconf\nnameserver 192.0.2.53\n");
  answers = (_program, args) => {
    if (args.includes("-a")) writeFileSync(files().resolvConf, "# Generated by resolvconf\nnameserver 127.0.0.86\n");
    return { status: 0, stdout: args[0] === "--version" ? "openresolv 3.12.0\n" : "" };
  };
  await using changes = await open();
  let askedBy = ["127.0.0.99"];
  const resolver = new HostResolver("mesh", { changes, files: files(), platform: "linux", askedBy: () => askedBy });
  await resolver.use(WISH);
  writeFileSync(files().resolvConf, "# Generated by resolvconf\nnameserver 127.0.0.99\n");
  const before = calls.length;
  await resolver.look();
  expect([calls.length, resolver.state.inForce]).toEqual([before, true]);
  askedBy = [];
  await resolver.look();
  expect(calls.length).toBeGreaterThan(before);
});

it("other systems are told that they are not there yet, and nothing is touched", async () => {
  await using changes = await open();
  const resolver = new HostResolver("mesh", { changes, files: files(), platform: "darwin" });
  await resolver.use(WISH);
  expect(resolver.state).toMatchObject({ manager: null, inForce: false });
  expect(resolver.state.reason).toContain("darwin");
  expect(calls).toEqual([]);
});
