import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silentLogger } from "../../../src/base/logger.ts";
import { DEFAULT_LIMITS } from "../../../src/coord/limits.ts";
import { ChangeLog } from "../../../src/coord/maps/change-log.ts";
import { openNetwork } from "../../../src/coord/network-setup.ts";
import { EphemeralPeers } from "../../../src/coord/peers/ephemeral.ts";
import { type Peer, Registry } from "../../../src/coord/registry.ts";
import { Store } from "../../../src/coord/store/store.ts";
import { makeKeys, type TestKeys } from "../../support/coordinator-client.ts";
import { type CoordinatorFixture, startCoordinator, temporaryHome } from "../../support/coordinator-fixture.ts";
import { eventually } from "../../support/lab/eventually.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const ABSENCE_MS = DEFAULT_LIMITS.ephemeralAbsenceMs;
const DAY_MS = 86_400_000;

let home: Awaited<ReturnType<typeof temporaryHome>>;
let clock: ManualClock;

beforeEach(async () => {
  home = await temporaryHome();
  clock = new ManualClock();
});
afterEach(() => home[Symbol.asyncDispose]());

describe("how long an ephemeral peer may be away", () => {
  let store: Store;
  let registry: Registry;
  let ephemeral: EphemeralPeers;

  beforeEach(async () => {
    store = await Store.open(`${home.path}/test.db`, clock.wallMs());
    await openNetwork(store, {}, clock.wallMs());
  });
  afterEach(async () => {
    await ephemeral.close();
    await store.close();
  });

  interface PeerFields {
    readonly name: string;
    readonly ephemeral?: 0 | 1;
    readonly state?: "active" | "disabled";
    readonly lastSeenAtMs?: number;
  }

  /** A coordinator's start with these peers on the disk, in this order and with ids from 1. */
  async function boot(...fields: readonly PeerFields[]): Promise<void> {
    for (const [index, { name, ephemeral = 1, state = "active", lastSeenAtMs = null }] of fields.entries()) {
      const { machineKey, wireguardKey } = makeKeys();
      await store.write(({ db }) =>
        db
          .insertInto("peers")
          .values({
            id: index + 1,
            name,
            machine_key: machineKey,
            wireguard_key: wireguardKey,
            ip4: `10.86.64.${index + 1}`,
            ip6: `fd00::${index + 1}`,
            cidr_id: 3,
            admin: 0,
            state,
            tags: "[]",
            ephemeral,
            endpoints: "[]",
            created_at: 0,
            last_seen_at: lastSeenAtMs,
          })
          .execute(),
      );
    }
    const cidrs = await store.reader.selectFrom("cidrs").selectAll().execute();
    const peers = await store.reader.selectFrom("peers").selectAll().execute();
    registry = new Registry(cidrs, peers, new ChangeLog<Peer>(0, 100));
    ephemeral = new EphemeralPeers({
      store,
      registry,
      clock,
      logger: silentLogger,
      ephemeralRestMs: DEFAULT_LIMITS.ephemeralRestMs,
      disconnect: () => {},
      absenceMs: ABSENCE_MS,
      intervalMs: DAY_MS,
    });
    await ephemeral.look();
  }

  async function afterAnother(durationMs: number): Promise<string[]> {
    clock.advance(durationMs);
    await ephemeral.look();
    return [...registry.peers()].map(({ name }) => name);
  }

  it("is half an hour after it went offline, and not a moment less", async () => {
    await boot({ name: "job" });
    registry.setPresence(1, true, clock.wallMs());
    expect(await afterAnother(DAY_MS)).toEqual(["job"]);
    registry.setPresence(1, false, clock.wallMs());
    expect(await afterAnother(0)).toEqual(["job"]);
    expect(await afterAnother(30 * 60_000 - 1)).toEqual(["job"]);
    expect(await afterAnother(1)).toEqual([]);
  });

  it("counts from the registration for a peer that never connected", async () => {
    await boot({ name: "job" });
    expect(await afterAnother(ABSENCE_MS - 1)).toEqual(["job"]);
    expect(await afterAnother(1)).toEqual([]);
  });

  it("counts anew after every visit, also one that began and ended between two looks", async () => {
    await boot({ name: "job" });
    clock.advance(ABSENCE_MS - 1000);
    registry.setPresence(1, true, clock.wallMs());
    clock.advance(10);
    registry.setPresence(1, false, clock.wallMs());
    expect(await afterAnother(ABSENCE_MS - 1)).toEqual(["job"]);
    expect(await afterAnother(ABSENCE_MS - 1)).toEqual(["job"]);
    expect(await afterAnother(1)).toEqual([]);
  });

  it("counts anew after another registration", async () => {
    await boot({ name: "job" });
    clock.advance(ABSENCE_MS - 1);
    registry.setSeen(1, clock.wallMs());
    expect(await afterAnother(ABSENCE_MS - 1)).toEqual(["job"]);
    expect(await afterAnother(ABSENCE_MS)).toEqual([]);
  });

  it("counts from the coordinator's start for a peer last seen before it, however long ago", async () => {
    await boot({ name: "job", lastSeenAtMs: clock.wallMs() - 10 * DAY_MS });
    expect(await afterAnother(ABSENCE_MS - 1)).toEqual(["job"]);
    expect(await afterAnother(1)).toEqual([]);
  });

  it("does not depend on the host's clock being right", async () => {
    await boot({ name: "job", lastSeenAtMs: clock.wallMs() });
    clock.setWall(10 * DAY_MS);
    expect(await afterAnother(ABSENCE_MS - 1)).toEqual(["job"]);
    clock.setWall(-20 * DAY_MS);
    expect(await afterAnother(1)).toEqual([]);
  });

  it("concerns neither other peers nor disabled ones", async () => {
    await boot({ name: "server", ephemeral: 0 }, { name: "banned", state: "disabled" }, { name: "job" });
    expect(await afterAnother(ABSENCE_MS)).toEqual(["server", "banned"]);
    expect(await afterAnother(365 * DAY_MS)).toEqual(["server", "banned"]);
  });

  it("ends no peer that comes back while it is about to be removed", async () => {
    await boot({ name: "job" }, { name: "other" });
    clock.advance(ABSENCE_MS);
    // The look chooses whom to remove before the writes in hand are through.
    const writing = store.write(async ({ afterCommit }) => {
      afterCommit(() => registry.setPresence(1, true, clock.wallMs()));
    });
    await ephemeral.look();
    await writing;
    expect([...registry.peers()].map(({ name }) => name)).toEqual(["job"]);
    const rows = await store.reader.selectFrom("peers").select("name").execute();
    expect(rows).toEqual([{ name: "job" }]);
  });
});

describe("an ephemeral peer", () => {
  let fixture: CoordinatorFixture;

  const start = async () => {
    // The clock leaps, so silence on a channel means nothing here.
    const limits = { challengeBurst: 10_000, upkeepIntervalMs: 5, silenceMs: Number.MAX_SAFE_INTEGER };
    fixture = await startCoordinator(home.path, { tls: "off" }, { clock, limits });
  };
  beforeEach(start);
  afterEach(() => fixture.coordinator.close());

  async function join(name: string, ephemeral: boolean): Promise<TestKeys> {
    const keys = makeKeys();
    await fixture.client.register(keys, name, (await fixture.admin.createToken({ ephemeral })).token);
    return keys;
  }

  const names = async () => (await fixture.admin.listPeers()).map(({ name }) => name);

  const untilGone = (name: string) =>
    eventually(`${name} is removed`, async () => {
      clock.advance(60_000);
      return !(await names()).includes(name);
    });

  it("is removed like one that leaves: for the others, on the disk, and on its own return", async () => {
    const { client, admin, coordinator } = fixture;
    const watcher = await client.connect(await join("watcher", false));
    const keys = await join("job", true);
    const control = await client.connect(keys);
    await watcher.until("the job online", () => watcher.peer("job")?.online === true);
    const { ip4 } = control.map!.self;
    expect((await admin.listPeers()).map(({ name, ephemeral }) => [name, ephemeral])).toEqual([
      ["job", true],
      ["watcher", false],
    ]);
    await control.close();
    await watcher.until("the job offline", () => watcher.peer("job")?.online === false);

    await untilGone("job");
    await watcher.until("the job gone", () => watcher.peer("job") === undefined);
    const last = watcher.messages.at(-1);
    expect(last).toMatchObject({ type: "delta", delta: { removed: [keys.wireguardKey], upserted: [] } });
    expect(watcher.brokenDelta).toBe(false);

    const returning = client.openControl();
    await returning.authenticate(keys);
    await returning.untilClosed();
    expect(returning.messages.at(-1)).toMatchObject({
      type: "rejected",
      error: { code: "not-registered", message: expect.stringContaining("has to join again") },
    });
    const withoutToken = await client.tryRegister(keys, "job");
    expect([withoutToken.status, withoutToken.json.error.code]).toEqual([401, "token-required"]);

    const taken = await admin.call<{ error: { code: string } }>("POST", "/v1/admin/tokens", { ip4 });
    expect(taken.json.error.code).toBe("address-taken");
    const again = await client.register(keys, "job", (await admin.createToken({ ephemeral: true })).token);
    expect(again).toMatchObject({ resumed: false, self: { name: "job" } });
    expect(again.self.ip4).not.toBe(ip4);

    await watcher.close();
    await coordinator.close();
    const database = new Database(`${home.path}/coordinator/coordinator.db`, { readonly: true });
    const events = database.prepare("SELECT actor, subject FROM events WHERE action = 'peer.expire'").all();
    database.close();
    expect(events).toEqual([{ actor: "coordinator", subject: "job" }]);
  });

  it("stays while it is online, and others stay whatever they do", async () => {
    await join("server", false);
    const control = await fixture.client.connect(await join("worker", true));
    for (const name of ["job-1", "job-2"]) {
      await join(name, true);
      await untilGone(name);
    }
    expect(await names()).toEqual(["server", "worker"]);
    expect(control.closeCode).toBeUndefined();
  });

  it("is removed after a restart of the coordinator, too, unless it comes back", async () => {
    const job = await join("job", true);
    const worker = await join("worker", true);
    await (await fixture.client.connect(job)).close();
    await fixture.coordinator.close();
    clock.advance(2 * ABSENCE_MS);
    await start();
    const control = await fixture.client.connect(worker);
    const seenAt = (await fixture.admin.listPeers()).find(({ name }) => name === "job")?.lastSeenAt;
    expect(seenAt).toMatch(/Z$/);
    await untilGone("job");
    expect(await names()).toEqual(["worker"]);
    await control.close();
  });

  it("counts as seen when it registers again", async () => {
    const keys = await join("job", true);
    expect((await fixture.admin.listPeers())[0]?.lastSeenAt).toBeNull();
    await fixture.client.register(keys, "job");
    expect((await fixture.admin.listPeers())[0]?.lastSeenAt).toBe(new Date(clock.wallMs()).toISOString());
  });
});
