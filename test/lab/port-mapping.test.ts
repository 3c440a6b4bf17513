import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { PortMapping } from "../../src/nat/port-mapping/port-mapper.ts";
import { eventually } from "../support/lab/eventually.ts";
import { Lab } from "../support/lab/lab.ts";
import type { LabHost } from "../support/lab/lab-host.ts";
import type { LabProcess } from "../support/lab/lab-process.ts";
import { dropPcp, dropPcpAndNatPmp, makeHomeRouter, startMiniupnpd } from "../support/port-mapping-lab/gateway.ts";
import { MappedPort } from "../support/port-mapping-lab/mapped-port.ts";

// A home router with miniupnpd, which knows nothing of us.
//
//   inside 10.0.0.2 ── 10.0.0.1 router 5.5.5.1 ── outside 5.5.5.8
//
// The outer addresses are of no reserved range: miniupnpd maps nothing to one that is. Nothing leaves the lab.

const PORT = 51820;

let lab: Lab;
let inside: LabHost;
let router: LabHost;
let outside: LabHost;
let daemon: LabProcess;

beforeAll(async () => {
  lab = await Lab.open();
});
afterAll(() => lab[Symbol.asyncDispose]());

beforeEach(async () => {
  [inside, router, outside] = [await lab.host("inside"), await lab.host("router"), await lab.host("outside")];
  await lab.connect(
    { host: inside, device: "eth0", addresses: ["10.0.0.2/24"] },
    { host: router, device: "in0", addresses: ["10.0.0.1/24"] },
  );
  await lab.connect(
    { host: router, device: "out0", addresses: ["5.5.5.1/24"] },
    { host: outside, device: "eth0", addresses: ["5.5.5.8/24"] },
  );
  await inside.ip("route", "add", "default", "via", "10.0.0.1");
  await makeHomeRouter(router);
  daemon = await startMiniupnpd(router);
});

const openPort = () =>
  MappedPort.open(inside, { port: PORT, gateway: "10.0.0.1", localAddress: "10.0.0.2", secret: "secret" });

/** A datagram from outside, that nobody asked for. */
async function knock({ external }: PortMapping, text: string): Promise<void> {
  const send = `const s = require("node:dgram").createSocket("udp4");
    s.send(${JSON.stringify(text)}, ${external.port}, ${JSON.stringify(external.address)}, () => s.close());`;
  await outside.must(process.execPath, "-e", send);
}

async function isLetIn(port: MappedPort, mapping: PortMapping, text: string): Promise<void> {
  await knock(mapping, text);
  await eventually(`${text} comes in`, () => port.received.includes(text));
}

const mappingRules = () => router.must("nft", "list", "chain", "inet", "filter", "prerouting_miniupnpd");

it.each(["pcp", "nat-pmp"] as const)(
  "a gateway maps our port by %s, lets strangers in, and unmaps it",
  async (protocol) => {
    if (protocol === "nat-pmp") await dropPcp(router);
    const port = await openPort();
    const mapping = await port.mapping();
    expect(mapping).toEqual({ protocol, external: { address: "5.5.5.1", port: PORT } });
    await isLetIn(port, mapping, "hello");
    await port.close();
    await eventually("the mapping is gone", async () => !(await mappingRules()).includes("dnat"));
  },
);

describe("a gateway that speaks UPnP alone", () => {
  it.each([1, 2] as const)(
    "maps our port as Internet Gateway Device %i, again when asked, and unmaps it",
    async (igd) => {
      await daemon.kill();
      await startMiniupnpd(router, { igd });
      await dropPcpAndNatPmp(router);
      const port = await openPort();
      const mapping = await port.mapping();
      expect(mapping).toEqual({ protocol: "upnp", external: { address: "5.5.5.1", port: PORT } });
      await isLetIn(port, mapping, "hello");
      await router.must("nft", "flush", "chain", "inet", "filter", "prerouting_miniupnpd");
      port.askAnew();
      await eventually("it is mapped again", async () => (await mappingRules()).includes("dnat"));
      await port.close();
      await eventually("the mapping is gone", async () => !(await mappingRules()).includes("dnat"));
    },
  );
});

it("after kill −9 the same machine gets its mapping again", async () => {
  const first = await openPort();
  const mapping = await first.mapping();
  await first.kill();
  const second = await openPort();
  expect(await second.mapping()).toEqual(mapping);
  await isLetIn(second, mapping, "again");
});

it("a gateway that has restarted is asked anew", async () => {
  const port = await openPort();
  const mapping = await port.mapping();
  await daemon.kill();
  await router.must("nft", "flush", "chain", "inet", "filter", "prerouting_miniupnpd");
  await router.must("nft", "flush", "chain", "inet", "filter", "miniupnpd");
  await startMiniupnpd(router);
  port.askAnew();
  await eventually("it is mapped again", async () => (await mappingRules()).includes("dnat"));
  await isLetIn(port, mapping, "after the restart");
});
