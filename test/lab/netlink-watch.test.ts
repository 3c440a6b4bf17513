import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../support/lab/eventually.ts";
import { Lab } from "../support/lab/lab.ts";
import type { LabHost } from "../support/lab/lab-host.ts";
import type { LabProcess } from "../support/lab/lab-process.ts";

const program = fileURLToPath(new URL("../support/watch-network.mjs", import.meta.url));
const withoutNetlink = new URL("../support/lab/refuse-netlink.mjs", import.meta.url).href;
const OURS = "mesh0";
/** A burst is reported 50 ms after its last message, and 250 ms after its first at the latest. */
const SOON = { timeoutMs: 1000, intervalMs: 10 };

let lab: Lab;
let host: LabHost;

beforeAll(async () => {
  lab = await Lab.open();
});
afterAll(() => lab[Symbol.asyncDispose]());
beforeEach(async () => {
  host = await lab.host("host");
  await host.addStubNetwork("eth0", "192.0.2.7/24");
  await host.addStubNetwork(OURS, "10.86.0.7/32");
});

class Watch {
  readonly process: LabProcess;
  #seen = 0;

  private constructor(process: LabProcess) {
    this.process = process;
  }

  static async start(...nodeFlags: string[]): Promise<Watch> {
    const process = await host.start(globalThis.process.execPath, [...nodeFlags, program, OURS]);
    await process.waitForOutput(/"ready"/);
    const watch = new Watch(process);
    watch.#seen = watch.#lines.length;
    return watch;
  }

  get said(): string {
    return this.process.stdout;
  }

  /** The words of the next report. */
  next(options = SOON): Promise<string[]> {
    return eventually("a report", () => this.#lines[this.#seen], options).then((line) => {
      this.#seen++;
      return JSON.parse(line) as string[];
    });
  }

  /** How many reports nobody has asked for yet. */
  get unread(): number {
    return this.#lines.length - this.#seen;
  }

  get #lines(): string[] {
    return this.process.stdout.split("\n").slice(0, -1);
  }
}

describe("what the kernel tells of the network", () => {
  it("is reported for addresses, routes and links, one report for each change", async () => {
    const watch = await Watch.start();
    await host.ip("address", "add", "2001:db8::7/64", "dev", "eth0");
    expect(await watch.next()).toContain("address 2001:db8::7/64 usable");
    await host.ip("route", "add", "default", "via", "192.0.2.1");
    expect(await watch.next()).toEqual(["route default set"]);
    await host.ip("route", "delete", "default");
    expect(await watch.next()).toEqual(["route default gone"]);
    await host.ip("link", "set", "eth0", "down");
    expect(await watch.next()).toContain("link eth0 down");
  });

  it("is not reported for our own interface, nor for what changes nothing", async () => {
    const watch = await Watch.start();
    await host.ip("address", "add", "10.86.0.8/32", "dev", OURS);
    await host.ip("route", "add", "10.86.0.0/16", "dev", OURS);
    await host.ip("link", "set", OURS, "mtu", "1300");
    // The first word about it is news, the next one is not: as with every router advertisement.
    const renew = (seconds: string) =>
      host.ip("address", "change", "192.0.2.7/24", "dev", "eth0", "preferred_lft", seconds, "valid_lft", "3600");
    await renew("3600");
    expect(await watch.next()).toEqual(["address 192.0.2.7/24 usable"]);
    await host.ip("route", "add", "198.51.100.0/24", "via", "192.0.2.1");
    expect(await watch.next()).toEqual(["route 198.51.100.0/24 set"]);
    await renew("1800");
    await host.ip("route", "replace", "198.51.100.0/24", "via", "192.0.2.1");
    await host.ip("route", "replace", "198.51.100.0/24", "via", "192.0.2.2");
    expect(await watch.next()).toEqual(["route 198.51.100.0/24 set"]);
    expect(watch.unread).toBe(0);
    expect(watch.said).not.toMatch(/10\.86|mesh0/);
  });

  it("is read on after more than the kernel could keep for us", async () => {
    const watch = await Watch.start();
    const batch = `${host.scratchDirectory}/routes`;
    writeFileSync(
      batch,
      Array.from({ length: 5000 }, (_, i) => `route add 10.${i >> 8}.${i & 255}.0/24 dev eth0\n`).join(""),
    );
    watch.process.signal("SIGSTOP");
    await host.ip("-batch", batch);
    watch.process.signal("SIGCONT");
    expect(await watch.next()).toContain("more than was told");
    await host.ip("address", "add", "192.0.2.77/24", "dev", "eth0");
    await eventually("the address", async () =>
      (await watch.next({ timeoutMs: 5000, intervalMs: 10 })).includes("address 192.0.2.77/24 usable"),
    );
  });

  it("is looked for where there is no netlink", async () => {
    const watch = await Watch.start("--import", withoutNetlink);
    expect(watch.said).toContain("no netlink here");
    await host.ip("address", "add", "10.86.0.8/32", "dev", OURS);
    await host.ip("address", "add", "192.0.2.77/24", "dev", "eth0");
    expect(await watch.next({ timeoutMs: 5000, intervalMs: 10 })).toEqual(["addresses"]);
    expect(watch.unread).toBe(0);
  });
});
