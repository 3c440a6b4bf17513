import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { eventually } from "../support/lab/eventually.ts";
import { meet } from "../support/lab/meeting.ts";
import { PingFlow } from "../support/lab/ping-flow.ts";
import { World } from "../support/lab/world.ts";

/** Five minutes, and a probe until the pair sleeps, three until WireGuard gives the session up, one until that is seen. */
const ASLEEP_MS = (5 + 0.5 + 3 + 1 + 1) * 60_000;

it("a pair behind NATs falls asleep, and is woken by traffic at once", { timeout: 800_000 }, async () => {
  await using world = await World.open();
  const [aliceHost] = await world.site("easy", "alice");
  const [bobHost] = await world.site("easy", "bob");
  const [alice, bob] = await Promise.all([world.join(aliceHost!), world.join(bobHost!)]);
  await meet(alice, bob, { transport: "udp" });
  // Nothing can be waited for: it is nothing that is to happen.
  await delay(ASLEEP_MS);
  const sleeping = (await alice.peer("bob"))!;
  expect(sleeping.path).toBeNull();
  expect(sleeping.paths.map(({ detail }) => detail)).toContainEqual(expect.stringMatching(/^asleep/));
  const bobAddress = (await bob.status()).self!.ip4;
  const answered = await alice.host.must("ping", "-n", "-c", "1", "-W", "2", bobAddress);
  console.info(`the first answer after the sleep: ${/time=(\S+ ms)/.exec(answered)?.[1]}`);
  await using flow = await PingFlow.start(alice.host, bobAddress);
  flow.restart();
  await eventually("the path is direct again", async () => (await alice.peer("bob"))?.path?.transport === "udp");
  expect(flow.result().lost).toBe(0);
});
