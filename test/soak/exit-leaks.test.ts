import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/lab/eventually.ts";
import { ExitNetwork, NOTHING } from "../support/lab/exit-network.ts";
import { startMesh } from "../support/lab/mesh-command.ts";
import { MeshPeer } from "../support/lab/mesh-peer.ts";
import { dropWall, raiseWall } from "../support/lab/udp-wall.ts";

// Every way in which an exit is known to leak, with one exit alone, with the local network kept and cut off, several times
// over: IPv4, IPv6 and DNS are tried all the time, and counted at the router of the host.

const ROUNDS = 3;
/** How far apart a daemon that starts is killed: a start takes about two seconds. */
const KILL_STEP_MS = 75;
const KILLS = 32;

const usesTransport = (alice: MeshPeer, transport: string) =>
  eventually(
    `carol is reached by ${transport}`,
    async () => (await alice.peer("carol"))?.path?.transport === transport,
    { timeoutMs: 30_000 },
  );

describe.each([{ allowLan: false }, { allowLan: true }])(
  "with the local network kept: $allowLan",
  ({ allowLan }) => {
    let network: ExitNetwork;
    let alice: MeshPeer;

    const throughCarol = async () => {
      await network.leavesBy("carol");
      await network.tried();
      expect(await network.leaked()).toEqual(NOTHING);
    };
    const round = Array.from({ length: ROUNDS }, (_, i) => ({ round: i + 1 }));

    beforeAll(async () => {
      network = await ExitNetwork.open("carol");
      alice = await network.join("--exit-node", "carol", ...(allowLan ? ["--exit-allow-lan"] : []));
      await network.leaked();
      await network.startLoad();
      await throughCarol();
    }, 120_000);
    afterAll(() => network[Symbol.asyncDispose]());

    it.each(round)("the exit is killed and comes back ($round)", async () => {
      const carol = network.exit("carol");
      await carol.process.kill();
      await eventually("nothing gets through", async () => (await network.seenBy("ipv4")) === undefined);
      await network.tried();
      network.replace("carol", await MeshPeer.up(carol));
      await throughCarol();
    });

    it.each(round)("the daemon is killed, and started again ($round)", async () => {
      await alice.process.kill();
      await network.tried();
      expect(await network.leaked()).toEqual(NOTHING);
      alice = await MeshPeer.up(alice);
      await throughCarol();
    });

    it.each(round)("the daemon is stopped, and started again ($round)", async () => {
      expect(await alice.stop()).toBe(0);
      await network.tried();
      expect(await network.leaked()).toEqual(NOTHING);
      alice = await MeshPeer.up(alice);
      await throughCarol();
    });

    it.each(round)("the host moves to another network ($round)", async () => {
      await network.roam();
      await throughCarol();
    });

    it.each(round)("the transports fall back to SSH and to the relay ($round)", async () => {
      const { host } = network.exit("carol");
      await raiseWall(host);
      await usesTransport(alice, "ssh");
      await throughCarol();
      await raiseWall(host, "meta l4proto udp drop; tcp dport 2222");
      await usesTransport(alice, "relay");
      await throughCarol();
      await dropWall(host);
      await usesTransport(alice, "udp");
      await throughCarol();
    });

    it.each(round)("an admin forbids the exit, and allows it ($round)", async () => {
      await network.admin("exit", "forbid", "carol");
      await eventually("it is left", async () => (await alice.status()).exit.using === null);
      await network.tried();
      expect(await network.seenBy("ipv4")).toBeUndefined();
      expect(await network.seenBy("ipv6")).toBeUndefined();
      await network.admin("exit", "allow", "carol");
      await throughCarol();
    });

    it.each(round)("more specific routes, as of DHCP's option 121 ($round)", async () => {
      const { alice: host } = network;
      await host.ip("route", "add", "203.0.113.80/32", "via", "192.168.7.1");
      await host.ip("route", "add", "0.0.0.0/1", "via", "192.168.7.1");
      await host.ip("-6", "route", "add", "2000::/3", "via", "2001:db8:7::1");
      await network.tried();
      expect(await network.seenBy("ipv4")).toBeUndefined();
      expect(await network.seenBy("ipv6")).toBeUndefined();
      await host.ip("route", "delete", "203.0.113.80/32");
      await host.ip("route", "delete", "0.0.0.0/1");
      await host.ip("-6", "route", "delete", "2000::/3");
      await throughCarol();
    });

    it(`is killed at ${KILLS} moments of its start, ${KILL_STEP_MS} ms apart`, async () => {
      await alice.process.kill();
      for (let kill = 0; kill < KILLS; kill++) {
        const starting = await startMesh(alice.host, alice.home, ["up"]);
        await delay(kill * KILL_STEP_MS);
        await starting.kill();
      }
      expect(await network.leaked()).toEqual(NOTHING);
      alice = await MeshPeer.up(alice);
      await throughCarol();
      expect((await alice.local.checkExit()).ok).toBe(true);
    });
  },
  180_000,
);
