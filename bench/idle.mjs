/**
 * What this project costs at rest: CPU and memory of two peers that keep a session, over some time. Daemons with a
 * coordinator; with --static, the data plane alone.
 *
 *     npm run bench -- idle [--seconds S] [--static] [--dist DIR] [--json FILE] [--gate]
 */
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { withCleanup } from "../scripts/lib/cleanup.mjs";
import { detail, formatTable, step } from "../scripts/lib/console.mjs";
import { sweepNamespaces } from "../scripts/lib/netns.mjs";
import { daemons } from "./lib/contenders/daemons.mjs";
import { staticTunnel } from "./lib/contenders/static-tunnel.mjs";
import { cpuSeconds, residentBytes } from "./lib/cpu-time.mjs";
import { CPU_LIMIT_PERCENT, isWithinLimits, RSS_LIMIT_BYTES } from "./lib/idle-limits.mjs";
import { describeMachine } from "./lib/machine.mjs";
import { waitForAnswer } from "./lib/ping.mjs";
import { writeRecord } from "./lib/record-file.mjs";
import { wholeNumber } from "./lib/throughput-options.mjs";

/** After the start: what is compiled, collected and kept alive then is not the cost of rest. */
const SETTLE_SECONDS = 5;

/** @returns {Promise<number>} exit status */
export async function idle(args) {
  const { values } = parseArgs({
    args,
    options: {
      seconds: { type: "string", default: "60" },
      static: { type: "boolean", default: false },
      dist: { type: "string" },
      json: { type: "string" },
      gate: { type: "boolean", default: false },
    },
  });
  const seconds = wholeNumber("--seconds", values.seconds, 1);
  return withCleanup(async (defer) => {
    await sweepNamespaces();
    const make = values.static ? staticTunnel : daemons;
    const contender = make({
      name: values.static ? "static-tunnels" : "daemons",
      aeadProvider: "auto",
      ...(values.dist === undefined ? {} : { dist: values.dist }),
    });
    step(`Starting two ${contender.name}`);
    const started = await contender.start(defer);
    await waitForAnswer(started, contender.name);
    await sleep(SETTLE_SECONDS * 1000);
    step(`Watching them for ${seconds} s`);
    const processes = await watch(processesOf(started), seconds);
    const machine = await describeMachine();
    const at = new Date().toISOString();
    const record = { at, machine, contender: contender.name, seconds, processes };
    const file = writeRecord("idle", record, values.json);
    show(processes);
    detail(`all records: ${file}`);
    return values.gate && processes.some((entry) => !isWithinLimits(entry)) ? 1 : 0;
  });
}

function processesOf({ pids, serverPid }) {
  const peers = pids.map((pid, index) => ({ name: `peer ${index + 1}`, pid, isPeer: true }));
  return serverPid === undefined ? peers : [...peers, { name: "coordinator", pid: serverPid, isPeer: false }];
}

async function watch(processes, seconds) {
  const before = processes.map(({ pid }) => cpuSeconds([pid]));
  const startedNs = process.hrtime.bigint();
  await sleep(seconds * 1000);
  const elapsed = Number(process.hrtime.bigint() - startedNs) / 1e9;
  return processes.map((entry, index) => ({
    ...entry,
    cpuPercent: (100 * (cpuSeconds([entry.pid]) - before[index])) / elapsed,
    rssBytes: residentBytes(entry.pid).rss,
    anonymousBytes: residentBytes(entry.pid).anonymous,
  }));
}

function show(processes) {
  const rows = [["process", "CPU of a core", "RSS", "of that its own", ""]];
  for (const entry of processes) {
    const megabytes = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;
    const verdict = isWithinLimits(entry) ? "pass" : "FAIL";
    rows.push([
      entry.name,
      `${entry.cpuPercent.toFixed(2)} %`,
      megabytes(entry.rssBytes),
      megabytes(entry.anonymousBytes),
      entry.isPeer ? verdict : "",
    ]);
  }
  process.stdout.write(`\n${formatTable(rows)}\n\n`);
  process.stdout.write(`a peer's limits: < ${CPU_LIMIT_PERCENT} % of a core, < ${RSS_LIMIT_BYTES / 1e6} MB RSS\n`);
}
