import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkPins, type Pin } from "../../../src/control/pins.ts";
import { DEFAULT_LIMITS } from "../../../src/coord/limits.ts";
import { makeKeys, type TestControl, type TestKeys } from "../../support/coordinator-client.ts";
import { type CoordinatorFixture, startCoordinator, temporaryHome } from "../../support/coordinator-fixture.ts";
import { eventually } from "../../support/lab/eventually.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const { ephemeralAbsenceMs: ABSENCE_MS, ephemeralRestMs: REST_MS } = DEFAULT_LIMITS;
/** Host addresses of `members` in a network of 64. */
const PLACES = 14;

describe("the addresses of ephemeral peers", () => {
  let home: Awaited<ReturnType<typeof temporaryHome>>;
  let clock: ManualClock;
  let fixture: CoordinatorFixture;

  beforeEach(async () => {
    home = await temporaryHome();
    clock = new ManualClock();
    const limits = { challengeBurst: 10_000, upkeepIntervalMs: 5, silenceMs: Number.MAX_SAFE_INTEGER };
    const options = { tls: "off", networkCidr4: "10.0.0.0/26" } as const;
    fixture = await startCoordinator(home.path, options, { clock, limits });
  });
  afterEach(async () => {
    await fixture.coordinator.close();
    await home[Symbol.asyncDispose]();
  });

  async function join(name: string, ephemeral = true): Promise<{ readonly keys: TestKeys; readonly ip4: string }> {
    const keys = makeKeys();
    const { token } = await fixture.admin.createToken({ ephemeral });
    const { self } = await fixture.client.register(keys, name, token);
    return { keys, ip4: self.ip4 };
  }

  /** All ephemeral peers but those that are connected. */
  async function untilAway(): Promise<void> {
    await eventually("the absent ones are removed", async () => {
      clock.advance(ABSENCE_MS);
      const peers = await fixture.admin.listPeers();
      return !peers.some(({ ephemeral, online }) => ephemeral && !online);
    });
  }

  interface Asked {
    readonly id?: string;
    readonly error?: { readonly code: string; readonly message: string };
  }

  /** For a token that reserves the address: granted where nobody has it. */
  const ask = async (ip4: string) => (await fixture.admin.call<Asked>("POST", "/v1/admin/tokens", { ip4 })).json;

  const untilFree = async (ip4: string) => {
    const id = await eventually(`${ip4} is free`, async () => (await ask(ip4)).id);
    await fixture.admin.revokeToken(id);
  };

  /** Holds each map to the pins, as a peer's daemon does. */
  function pinsOf(control: TestControl): () => void {
    let pins: readonly Pin[] = [];
    return () => {
      const { network, peers } = control.map!;
      const check = checkPins(pins, peers, { networkId: network.id, seenAtMs: clock.wallMs() });
      expect(check.violations).toEqual([]);
      pins = check.pins;
      expect(pins.length).toBeLessThan(4 * PLACES);
    };
  }

  it("serve hundreds of jobs, one after the other, through fourteen, and stand up to the pins of those who watch", async () => {
    const watcher = await fixture.client.connect((await join("watcher", false)).keys);
    const check = pinsOf(watcher);
    const given = new Set<string>();
    for (let round = 0; round < 16; round++) {
      const { token } = await fixture.admin.createToken({ ephemeral: true, uses: null });
      const jobs = Array.from({ length: PLACES - 1 }, (_, job) => `job-${round}-${job}`);
      const joined = await Promise.all(jobs.map((name) => fixture.client.register(makeKeys(), name, token)));
      for (const { self } of joined) given.add(self.ip4);
      await watcher.until("the jobs are there", () => watcher.map?.peers.length === PLACES - 1);
      check();
      const late = await fixture.client.tryRegister(makeKeys(), "late", token);
      expect([late.status, late.json.error.code]).toEqual([409, "cidr-full"]);
      await untilAway();
      await watcher.until("the jobs are gone", () => watcher.map?.peers.length === 0);
      check();
      clock.advance(REST_MS);
      await untilFree(joined[0]!.self.ip4);
    }
    expect(given.size).toBe(PLACES - 1);
    await watcher.close();
  }, 60_000);

  it("rest for as long, also when the machine left by itself, and say until when", async () => {
    const [away, left] = [await join("away"), await join("left")];
    await fixture.client.leave(left.keys);
    await untilAway();
    for (const { ip4 } of [away, left]) {
      expect((await ask(ip4)).error).toMatchObject({
        code: "address-taken",
        message: expect.stringMatching(/rests until \S+Z/),
      });
    }
    clock.advance(REST_MS - 10 * ABSENCE_MS);
    expect((await ask(away.ip4)).error?.code).toBe("address-taken");
    clock.advance(10 * ABSENCE_MS);
    for (const { ip4 } of [away, left]) await untilFree(ip4);
  });

  it("are nobody's for good where an admin deleted the peer, as are those of lasting peers that left", async () => {
    const [deleted, lasting] = [await join("job"), await join("server", false)];
    await fixture.admin.call("DELETE", "/v1/admin/peers/job");
    await fixture.client.leave(lasting.keys);
    const away = await join("away");
    await untilAway();
    clock.advance(365 * 86_400_000);
    await untilFree(away.ip4);
    for (const { ip4 } of [deleted, lasting]) {
      expect((await ask(ip4)).error).toMatchObject({
        code: "address-taken",
        message: expect.stringMatching(/a former peer had it$/),
      });
    }
  });
});
