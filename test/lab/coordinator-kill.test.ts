import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { RegisterResponse } from "../../src/api/registration.ts";
import { AdminSocketClient, CoordinatorClient, makeKeys, type TestKeys } from "../support/coordinator-client.ts";
import { temporaryHome } from "../support/coordinator-fixture.ts";
import { LabProcess } from "../support/lab/lab-process.ts";

const ENTRY_POINT = fileURLToPath(new URL("../../dist/bundle/main.js", import.meta.url));
const ROUNDS = 6;
const MACHINES_PER_ROUND = 40;

interface Acknowledged {
  readonly keys: TestKeys;
  readonly answer: RegisterResponse;
}

let home: Awaited<ReturnType<typeof temporaryHome>>;
let server: LabProcess;

beforeEach(async () => {
  home = await temporaryHome();
});
afterEach(async () => {
  await server.kill();
  await home[Symbol.asyncDispose]();
});

/** A real `mesh serve` on a free loopback port. */
async function serve(): Promise<{ client: CoordinatorClient; admin: AdminSocketClient }> {
  const args = [ENTRY_POINT, "--home", home.path, "serve", "--listen", "127.0.0.1:0"];
  server = await LabProcess.start("mesh serve", process.execPath, args);
  const [, url] = await server.waitForOutput(/^ready (https:\S+)/m);
  return {
    client: await CoordinatorClient.pinned(url!),
    admin: new AdminSocketClient(join(home.path, "run", "coordinator.sock")),
  };
}

describe("mesh serve", () => {
  it("loses no acknowledged registration when it is killed with many in flight, again and again", async () => {
    const acknowledged: Acknowledged[] = [];
    const tokenUses = new Map<string, number>();
    let killedInFlight = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const { client, admin } = await serve();
      const { id, token } = await admin.createToken({ uses: 100 });
      tokenUses.set(id, 100);
      const { network } = await client.info();
      const requests = await Promise.all(
        Array.from({ length: MACHINES_PER_ROUND }, async (_, i) => {
          const keys = makeKeys();
          return { keys, request: await client.registerRequest(keys, `r${round}-m${i}`, token, network.id) };
        }),
      );
      let answered = 0;
      const killAfter = 1 + round * 6;
      const outcomes = requests.map(async ({ keys, request }) => {
        try {
          const { status, json } = await client.send(request);
          if (status === 200) acknowledged.push({ keys, answer: json });
          answered++;
          if (answered === killAfter) server.signal("SIGKILL");
        } catch {
          // The connection broke: this one was not acknowledged, and may be there or not.
          killedInFlight++;
        }
      });
      await Promise.all(outcomes);
      await server.exited;
      expectSound(tokenUses);
    }
    expect(killedInFlight).toBeGreaterThan(0);
    expect(acknowledged.length).toBeGreaterThan(ROUNDS);

    const { client, admin } = await serve();
    const peers = new Map((await admin.listPeers()).map((peer) => [peer.name, peer]));
    for (const { keys, answer } of acknowledged) {
      expect(peers.get(answer.self.name)).toMatchObject({
        ip4: answer.self.ip4,
        ip6: answer.self.ip6,
        publicKey: keys.wireguardKey,
      });
    }
    const sample = acknowledged[acknowledged.length - 1]!;
    expect(await client.register(sample.keys, sample.answer.self.name)).toMatchObject({
      resumed: true,
      self: sample.answer.self,
    });
  });

  it("stops within seconds of SIGTERM, with status 0, and starts again as it was", async () => {
    const { client, admin } = await serve();
    const keys = makeKeys();
    await client.register(keys, "alice", (await admin.createToken()).token);
    const control = await client.connect(keys);
    const startMs = performance.now();
    expect(await server.stop()).toBe(0);
    expect(performance.now() - startMs).toBeLessThan(5_000);
    await control.untilClosed();
    expect(control.rejection).toBe("shutting-down");
    const again = await serve();
    expect((await again.client.register(keys, "alice")).resumed).toBe(true);
  });

  it("refuses a second run on the same home while it lives", async () => {
    await serve();
    const args = [ENTRY_POINT, "--home", home.path, "serve", "--listen", "127.0.0.1:0"];
    const second = await LabProcess.start("second mesh serve", process.execPath, args);
    expect(await second.exited).toBe(6);
    expect(second.stderr).toContain("another coordinator");
  });

  it("ends with an error that names the address when its port is in use", async () => {
    const { client } = await serve();
    const address = new URL(client.url).host;
    await using otherHome = await temporaryHome();
    const args = [ENTRY_POINT, "--home", otherHome.path, "serve", "--listen", address];
    const second = await LabProcess.start("second mesh serve", process.execPath, args);
    expect(await second.exited).toBe(6);
    expect(second.stderr).toContain(address);
  });
});

/** The file as the dead process left it: sound, and each registration there in whole or not at all. */
function expectSound(tokenUses: ReadonlyMap<string, number>): void {
  const database = new Database(join(home.path, "coordinator", "coordinator.db"));
  try {
    expect(database.pragma("integrity_check", { simple: true })).toBe("ok");
    expect(database.pragma("foreign_key_check")).toEqual([]);
    const count = (query: string, ...values: unknown[]) =>
      database
        .prepare(query)
        .pluck()
        .get(...values);
    const peers = count("SELECT count(*) FROM peers");
    expect(count("SELECT count(*) FROM peers JOIN addresses ON peer_id = peers.id AND addresses.ip4 = peers.ip4")).toBe(
      peers,
    );
    expect(count("SELECT count(*) FROM addresses")).toBe(peers);
    expect(count("SELECT count(*) FROM events WHERE action = 'peer.register'")).toBe(peers);
    for (const [id, uses] of tokenUses) {
      const spent = uses - Number(count("SELECT uses_left FROM tokens WHERE id = ?", id));
      expect(count("SELECT count(*) FROM peers WHERE token_id = ?", id)).toBe(spent);
    }
  } finally {
    database.close();
  }
}
