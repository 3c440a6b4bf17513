import { chmod, copyFile, readdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { runCli } from "../../../src/cli/program.ts";
import { restoreBackup } from "../../../src/coord/backup/restore.ts";
import { makeKeys } from "../../support/coordinator-client.ts";
import { type CoordinatorFixture, startCoordinator, temporaryHome } from "../../support/coordinator-fixture.ts";

let home: Awaited<ReturnType<typeof temporaryHome>>;
let other: Awaited<ReturnType<typeof temporaryHome>>;
let fixture: CoordinatorFixture;
let file: string;

const start = (path: string) =>
  startCoordinator(
    path,
    { adminSocketPath: join(path, "run", "coordinator.sock") },
    { limits: { challengeBurst: 100 } },
  );

beforeEach(async () => {
  [home, other] = [await temporaryHome(), await temporaryHome()];
  fixture = await start(home.path);
  file = join(other.path, "backup.db");
  for (const stream of [process.stdout, process.stderr]) vi.spyOn(stream, "write").mockImplementation(() => true);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await fixture.coordinator.close();
  await Promise.all([home, other].map((directory) => directory[Symbol.asyncDispose]()));
});

const mesh = (at: string, ...args: string[]) => runCli(["--home", at, ...args]);
const restore = (path: string, replace = false) => restoreBackup({ file, home: path, replace }, Date.now());
const refusal = (path: string, replace = false) => restore(path, replace).then(undefined, ({ code }) => code);

async function joinAs(name: string) {
  const keys = makeKeys();
  await fixture.client.register(keys, name, (await fixture.admin.createToken()).token);
  return keys;
}

describe("a backup", () => {
  it("restored on an empty home is the same network: CA, peers and tokens, and peers go on with their maps", async () => {
    const [alice, bob] = [await joinAs("alice"), await joinAs("bob")];
    const { token } = await fixture.admin.createToken({ name: "carol" });
    expect(await mesh(home.path, "backup", file)).toBe(0);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const held = await fixture.client.connect(alice);
    const { caFingerprint, network } = fixture.coordinator;
    // After the backup: versions that the restored one does not know of.
    for (let i = 0; i < 3; i++) {
      await fixture.coordinator.close();
      fixture = await start(home.path);
    }
    const last = await fixture.client.connect(alice, held.map);
    await fixture.coordinator.close();

    expect(await mesh(other.path, "restore", file)).toBe(0);
    fixture = await start(other.path);
    expect(fixture.coordinator).toMatchObject({ caFingerprint, network, firstToken: undefined });
    const again = await fixture.client.connect(alice, last.map);
    expect(again.brokenDelta).toBe(false);
    expect(again.map?.version).toBeGreaterThan(last.map?.version ?? Number.POSITIVE_INFINITY);
    expect(again.peer("bob")?.wireguardKey).toBe(bob.wireguardKey);
    await fixture.client.register(makeKeys(), "carol", token);
    const actions = await fixture.admin.call<{ action: string }[]>("GET", "/v1/admin/audit");
    expect(actions.json.map(({ action }) => action)).toContain("network.restore");
  });

  it("of one moment, whatever is written meanwhile, leaves nothing behind", async () => {
    const tokens = Array.from({ length: 40 }, () => fixture.admin.createToken());
    const backups = Array.from({ length: 3 }, (_, i) => mesh(home.path, "backup", `${file}-${i}`));
    expect(await Promise.all(backups)).toEqual([0, 0, 0]);
    await Promise.all(tokens);
    for (let i = 0; i < 3; i++) {
      const copy = new Database(`${file}-${i}`, { readonly: true });
      expect(copy.pragma("integrity_check", { simple: true })).toBe("ok");
      copy.close();
    }
    expect((await readdir(join(home.path, "coordinator"))).filter((name) => name.startsWith("backup"))).toEqual([]);
  });

  it("is refused where the file cannot be, and where no coordinator runs", async () => {
    expect(await mesh(home.path, "backup", join(other.path, "nowhere", "x"))).toBe(2);
    expect(await mesh(other.path, "backup", file)).toBe(3);
    await expect(stat(file)).rejects.toThrow();
  });

  it("restored twice never counts map versions that the first restore may have handed out", async () => {
    await mesh(home.path, "backup", file);
    const version = async (path: string, atMs: number) => {
      await restoreBackup({ file, home: path, replace: true }, atMs);
      const copy = new Database(join(path, "coordinator", "coordinator.db"), { readonly: true });
      const ceiling = copy.prepare("SELECT map_version_ceiling FROM network").pluck().get();
      copy.close();
      return Number(ceiling);
    };
    const first = await version(other.path, Date.now());
    const second = await version(other.path, Date.now() + 3_600_000);
    expect(second - first).toBeGreaterThanOrEqual(360 * 2 ** 24);
    expect(Number.isSafeInteger(await version(other.path, Date.now() + 10 * 365 * 86_400_000))).toBe(true);
  });
});

describe("a restore", () => {
  const database = (path: string) => join(path, "coordinator", "coordinator.db");

  it("is refused while a coordinator runs there, and where there is a network unless it is to be replaced", async () => {
    await mesh(home.path, "backup", file);
    await joinAs("alice");
    for (const replace of [false, true]) expect(await refusal(home.path, replace)).toBe("already-running");
    expect((await fixture.client.call("GET", "/healthz")).status).toBe(200);
    await fixture.coordinator.close();
    expect(await refusal(home.path)).toBe("network-exists");
    const { replaced } = await restore(home.path, true);
    const kept = new Database(replaced ?? "", { readonly: true });
    expect(kept.prepare("SELECT name FROM peers").pluck().all()).toEqual(["alice"]);
    kept.close();
    fixture = await start(home.path);
    expect(await fixture.admin.listPeers()).toEqual([]);
  });

  it("refuses what is missing, damaged, cut short, of a later version, or no network, and leaves all as it was", async () => {
    await mesh(home.path, "backup", file);
    const sound = join(other.path, "sound.db");
    await copyFile(file, sound);
    const { size } = await stat(sound);
    const edit = (work: (database: Database.Database) => void) => {
      const copy = new Database(file);
      work(copy);
      copy.close();
    };
    const spoils: [string, () => unknown, string][] = [
      ["cut short", () => truncate(file, Math.floor(size / 2)), "store-damaged"],
      ["empty", () => truncate(file, 0), "store-damaged"],
      ["no database", () => writeFile(file, "no database".repeat(1000)), "store-damaged"],
      ["bytes", async () => writeFile(file, (await readFile(sound)).fill(0xa5, 4096, 12_288)), "store-damaged"],
      ["later", () => edit((db) => db.exec("INSERT INTO migrations VALUES (999, 'later', 0)")), "store-too-new"],
      ["no network", () => edit((db) => db.exec("DELETE FROM network")), "store-damaged"],
      ["no CA", () => edit((db) => db.exec("DELETE FROM authorities")), "store-damaged"],
    ];
    for (const [what, spoil, code] of spoils) {
      await copyFile(sound, file);
      await chmod(file, 0o600);
      await spoil();
      const before = await readFile(file);
      expect([what, await refusal(other.path)]).toEqual([what, code]);
      expect(await readFile(file)).toEqual(before);
      expect(await readdir(join(other.path, "coordinator"))).toEqual([]);
    }
    file = join(other.path, "nowhere");
    expect(await refusal(other.path)).toBe("not-found");

    await fixture.coordinator.close();
    const before = await readFile(database(home.path));
    file = join(other.path, "backup.db");
    expect(await refusal(home.path, true)).toBe("store-damaged");
    expect(await readdir(join(home.path, "coordinator"))).toEqual(["coordinator.db"]);
    expect((await readFile(database(home.path))).subarray(100)).toEqual(before.subarray(100));
  });

  it("puts a backup in the place of a damaged database", async () => {
    await joinAs("alice");
    await mesh(home.path, "backup", file);
    await fixture.coordinator.close();
    await writeFile(database(home.path), "no database".repeat(1000));
    expect(await refusal(home.path)).toBe("store-damaged");
    await restore(home.path, true);
    fixture = await start(home.path);
    expect((await fixture.admin.listPeers()).map(({ name }) => name)).toEqual(["alice"]);
  });
});
