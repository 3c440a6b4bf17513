import { fileURLToPath } from "node:url";
import { Lab } from "../lab/lab.ts";
import type { LabHost } from "../lab/lab-host.ts";
import { makeRouter } from "../lab/lab-router.ts";
import { GuideMachines, type Stage } from "./guide-machines.ts";

const whoAsks = fileURLToPath(new URL("../lab/who-asks.mjs", import.meta.url));

const WEB = "203.0.113.80";
const NAMES = {
  "coordinator.example.com": "192.0.2.1",
  "alice.example.com": "192.0.2.2",
  "bob.example.com": "192.0.2.3",
  "relay.example.com": "192.0.2.4",
  "www.example.com": WEB,
};

/**
 * Where the guides take place, with nothing of ours on any machine:
 *
 *     server .1 ─┬─ alice .2 ─┬─ bob .3 ─┬─ relay .4 ─┬─ internet .254: www.example.com, 203.0.113.80
 *                             192.0.2.0/24            └─ office .5, a router with NAT ── carol 192.168.1.2
 *
 * The web server tells who asks by which address.
 */
export class GuideWorld implements AsyncDisposable {
  readonly lab: Lab;
  readonly machines: GuideMachines;
  readonly hosts: Readonly<Record<"server" | "alice" | "bob" | "carol" | "relay" | "office", LabHost>>;

  private constructor(lab: Lab, hosts: GuideWorld["hosts"]) {
    this.lab = lab;
    this.hosts = hosts;
    const { office, ...machines } = hosts;
    this.machines = new GuideMachines(machines, NAMES);
  }

  static async open(): Promise<GuideWorld> {
    const lab = await Lab.open();
    try {
      return new GuideWorld(lab, await buildWorld(lab));
    } catch (failure) {
      await lab[Symbol.asyncDispose]();
      throw failure;
    }
  }

  /** What happens in the guides that no command on a page does. */
  readonly stage: Stage = {};

  [Symbol.asyncDispose](): Promise<void> {
    return this.lab[Symbol.asyncDispose]();
  }
}

async function buildWorld(lab: Lab): Promise<GuideWorld["hosts"]> {
  const segment = await lab.segment("segment");
  const attached = async (name: string, number: number): Promise<LabHost> => {
    const host = await lab.host(name);
    await segment.attach(host, "eth0", [`192.0.2.${number}/24`]);
    if (number < 254) await host.ip("route", "add", "default", "via", "192.0.2.254");
    return host;
  };
  const names = ["server", "alice", "bob", "relay", "office"] as const;
  const [server, alice, bob, relay, office] = await Promise.all(names.map((name, i) => attached(name, i + 1)));
  const internet = await attached("internet", 254);
  await internet.ip("address", "add", `${WEB}/32`, "dev", "lo");
  const web = await internet.start(process.execPath, [whoAsks]);
  await web.waitForOutput(/listening/);
  const carol = await lab.host("carol");
  await lab.connect(
    { host: carol, device: "eth0", addresses: ["192.168.1.2/24"] },
    { host: office!, device: "in0", addresses: ["192.168.1.1/24"] },
  );
  await carol.ip("route", "add", "default", "via", "192.168.1.1");
  await makeRouter(office!, { nat: "port-restricted", outside: "eth0", inside: "in0" });
  return { server: server!, alice: alice!, bob: bob!, carol, relay: relay!, office: office! };
}
