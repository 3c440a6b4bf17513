#!/usr/bin/env node
// `npm run demo`: a coordinator and two peers, each on a machine of its own (a network namespace), joined by a switch.
// They join with tokens, find each other, and carry pings, a bulk transfer and a web page through the mesh.
//
//   npm run demo [-- --json] [-- --keep]     --keep: leave it running until Ctrl-C
import { parseArgs } from "node:util";
import { build } from "./build.mjs";
import { withCleanup } from "./lib/cleanup.mjs";
import { detail, formatTable, isMain, runMain, ScriptError, step } from "./lib/console.mjs";
import { measureDemo } from "./lib/demo-measurements.mjs";
import { DemoNetwork } from "./lib/demo-network.mjs";
import { setup } from "./setup.mjs";

async function demo(options) {
  if (process.getuid?.() !== 0) throw new ScriptError("the demo makes network namespaces: run it as root");
  await setup({ for: ["demo"] });
  await build();
  return withCleanup(async (defer) => {
    step("Three machines and a switch (network namespaces)");
    const network = await DemoNetwork.create(defer);
    step("Starting the coordinator: mesh serve");
    detail(`ready at ${await network.serve()}`);
    for (const name of ["alice", "bob"]) {
      step(`${name} joins: mesh join --server … --token …`);
      await network.join(name);
    }
    step("Waiting until alice and bob have a path to each other");
    await network.paths();
    step("Through the mesh: ping, bulk transfer, a web page");
    const report = await measureDemo(network);
    if (options.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    else print(report);
    if (options.keep) await keep(network);
  });
}

function print(report) {
  const ms = (value) => `${value.toFixed(2)} ms`;
  const peers = [["peer", "state", "IPv4", "IPv6", "path to the other", "cipher"]];
  for (const peer of report.peers) {
    peers.push([
      peer.name,
      peer.state,
      peer.ip4,
      peer.ip6 ?? "-",
      `${peer.path.transport} ${peer.path.endpoint}`,
      peer.aeadProvider,
    ]);
  }
  const results = [
    ["alice → bob, through the mesh", "result"],
    ["mesh ping (median)", ms(report.meshPingMs)],
    ["ping, IPv4 (average)", ms(report.pingIp4Ms)],
    ["ping, IPv6 (average)", ms(report.pingIp6Ms)],
    ["TCP, IPv4", `${report.tcpIp4Gbps.toFixed(2)} Gbit/s`],
    ["TCP, IPv6", `${report.tcpIp6Gbps.toFixed(2)} Gbit/s`],
    ["HTTP fetch", `${report.http.status}, ${report.http.bytes} bytes: ${JSON.stringify(report.http.body)}`],
  ];
  process.stdout.write(`\n${formatTable(peers)}\n\n${formatTable(results)}\n\n`);
}

async function keep(network) {
  step("Still running; Ctrl-C ends it and cleans up. To look around:");
  for (const line of network.hints()) detail(line);
  await new Promise(() => setInterval(() => {}, 60_000));
}

if (isMain(import.meta.url)) {
  await runMain(() => {
    const { values } = parseArgs({
      options: { json: { type: "boolean", default: false }, keep: { type: "boolean", default: false } },
    });
    return demo(values);
  });
}
