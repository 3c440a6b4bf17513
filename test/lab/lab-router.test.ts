import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Lab } from "../support/lab/lab.ts";
import type { LabHost } from "../support/lab/lab-host.ts";
import { makeRouter, type NatKind } from "../support/lab/lab-router.ts";

// What the lab's routers are must be true, or the tests behind them show nothing.
//
//   inside 10.0.0.2 ── router ── 203.0.113.1 ── servers 203.0.113.8 and .9 (one machine)

const LOCAL_PORT = 40_000;

let lab: Lab;
let servers: LabHost;
beforeAll(async () => {
  lab = await Lab.open();
});
afterAll(() => lab[Symbol.asyncDispose]());

async function behind(nat: NatKind): Promise<LabHost> {
  const [inside, router] = [await lab.host("inside"), await lab.host("router")];
  servers = await lab.host("servers");
  await lab.connect(
    { host: inside, device: "eth0", addresses: ["10.0.0.2/24"] },
    { host: router, device: "in0", addresses: ["10.0.0.1/24"] },
  );
  await lab.connect(
    { host: router, device: "out0", addresses: ["203.0.113.1/24"] },
    { host: servers, device: "eth0", addresses: ["203.0.113.8/24", "203.0.113.9/24"] },
  );
  await inside.ip("route", "add", "default", "via", "10.0.0.1");
  await makeRouter(router, { nat, outside: "out0", inside: "in0", insideHost: "10.0.0.2" });
  return inside;
}

/** Answers every datagram with the source that it saw; `ask` first makes the other address speak to that source. */
const SERVER = `
  const dgram = require("node:dgram");
  const [first, second] = ["203.0.113.8", "203.0.113.9"].map((address) => {
    const socket = dgram.createSocket("udp4");
    socket.bind(7000, address);
    return socket;
  });
  for (const socket of [first, second]) {
    socket.on("message", (text, { address, port }) => {
      if (String(text) === "ask") second.send("unsolicited", port, address);
      socket.send(address + " " + port, port, address);
    });
  }
  second.on("listening", () => console.log("listening"));
`;

/** From one socket, one datagram to each address in turn, printing everything that arrives within a moment of the last. */
const client = (...requests: [text: string, address: string][]) => `
  const socket = require("node:dgram").createSocket("udp4");
  const requests = ${JSON.stringify(requests)};
  let quiet;
  const next = () => {
    const [text, address] = requests.shift() ?? [];
    if (text !== undefined) socket.send(text, 7000, address);
    clearTimeout(quiet);
    quiet = setTimeout(() => process.exit(), 500);
  };
  socket.on("message", (text, { address }) => { console.log(address + ": " + text); next(); });
  socket.bind(${LOCAL_PORT}, next);
`;

async function talk(inside: LabHost, ...requests: [text: string, address: string][]): Promise<string[]> {
  const server = await servers.start(process.execPath, ["-e", SERVER]);
  await server.waitForOutput(/listening/);
  const said = await inside.must(process.execPath, "-e", client(...requests));
  await server.kill();
  return said.trim().split("\n");
}

const portOf = (line: string | undefined) => Number(line?.split(" ").at(-1));

describe("a router", () => {
  test("without NAT shows the host itself", async () => {
    const inside = await behind("none");
    await servers.ip("route", "add", "10.0.0.0/24", "via", "203.0.113.1");
    expect(await talk(inside, ["hello", "203.0.113.8"])).toEqual([`203.0.113.8: 10.0.0.2 ${LOCAL_PORT}`]);
  });

  test("port-restricted keeps the port towards everybody, and lets in only who was spoken to", async () => {
    const inside = await behind("port-restricted");
    expect(await talk(inside, ["hello", "203.0.113.8"], ["hello", "203.0.113.9"])).toEqual([
      `203.0.113.8: 203.0.113.1 ${LOCAL_PORT}`,
      `203.0.113.9: 203.0.113.1 ${LOCAL_PORT}`,
    ]);
  });

  test("port-restricted drops what nobody asked for, and the mapping survives it", async () => {
    const inside = await behind("port-restricted");
    expect(await talk(inside, ["ask", "203.0.113.8"], ["hello", "203.0.113.9"])).toEqual([
      `203.0.113.8: 203.0.113.1 ${LOCAL_PORT}`,
      `203.0.113.9: 203.0.113.1 ${LOCAL_PORT}`,
    ]);
  });

  test("full-cone lets anybody in by the mapping", async () => {
    const inside = await behind("full-cone");
    const said = await talk(inside, ["ask", "203.0.113.8"]);
    expect(said.sort()).toEqual([`203.0.113.8: 203.0.113.1 ${LOCAL_PORT}`, "203.0.113.9: unsolicited"]);
  });

  test("endpoint-dependent has another port for every destination", async () => {
    const inside = await behind("endpoint-dependent");
    const said = await talk(inside, ["hello", "203.0.113.8"], ["hello", "203.0.113.9"]);
    expect(said).toHaveLength(2);
    const ports = said.map(portOf);
    expect(new Set([...ports, LOCAL_PORT]).size).toBe(3);
  });
});
