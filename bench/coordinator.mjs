/**
 * What a network of many peers costs its coordinator, and how soon changes reach them: a real `mesh serve`, and as many
 * simulated peers, each with its own keys, proofs, address and control channel. Plain HTTP has the bounds; the same again
 * with TLS is measured beside it.
 *
 *     npm run bench -- coordinator --help
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { withCleanup } from "../scripts/lib/cleanup.mjs";
import { detail, formatTable, ScriptError, step } from "../scripts/lib/console.mjs";
import { projectRoot } from "../scripts/lib/project.mjs";
import { judge, transportTitle } from "./lib/coordinator-report.mjs";
import { cpuSeconds, residentBytes } from "./lib/cpu-time.mjs";
import { describeMachine } from "./lib/machine.mjs";
import { writeRecord } from "./lib/record-file.mjs";
import { wholeNumber } from "./lib/throughput-options.mjs";

const USAGE = `usage: npm run bench -- coordinator [options]

  --peers N        connected at the same time (default: 2000)
  --cidrs N        that they are spread over (default: 50)
  --minutes M      that CPU and memory are watched, with and without TLS (default: 2)
  --json FILE      where to write all records (default: bench/results/coordinator-TIME.json)`;

/** After the last connection: what is compiled, collected and pushed then is not the cost of rest. */
const SETTLE_SECONDS = 10;
/** Of the memory: the highest counts. */
const SAMPLE_SECONDS = 1;
/** Each change so often; of what everybody waits for, the median counts. */
const ROUNDS = 5;

/**
 * @param {string[]} args
 * @param {() => Promise<typeof import("./coordinator/load.ts")>} prepare builds what is measured, and loads what drives it
 * @returns {Promise<number>} exit status: 1 when a bound was missed
 */
export async function coordinator(args, prepare) {
  const { values } = parseArgs({
    args,
    options: {
      peers: { type: "string", default: "2000" },
      cidrs: { type: "string", default: "50" },
      minutes: { type: "string", default: "2" },
      json: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const cidrs = wholeNumber("--cidrs", values.cidrs, 2, 120);
  const peers = wholeNumber("--peers", values.peers, 2 * cidrs, 60_000);
  const seconds = 60 * Number(values.minutes);
  if (!(seconds >= SAMPLE_SECONDS))
    throw new ScriptError(`--minutes takes a number from 0.1 on, not ${values.minutes}`);
  const load = await prepare();
  return withCleanup(async (defer) => {
    const home = await mkdtemp(join(tmpdir(), "mesh-bench-"));
    defer(() => rm(home, { recursive: true, force: true }));
    const crowd = new load.Crowd(peers, cidrs);
    defer(() => crowd.leave());
    const runs = [];
    for (const tls of ["off", "auto"]) runs.push(await measure(load, crowd, { home, tls, seconds }, defer));
    const machine = await describeMachine();
    const record = { at: new Date().toISOString(), machine, peers, cidrs, seconds, runs };
    const file = writeRecord("coordinator", record, values.json);
    const { rows, isMet } = judge(runs);
    process.stdout.write(`\n${peers} peers in ${cidrs} CIDRs\n\n${formatTable(rows)}\n\n`);
    detail(`all records: ${file}`);
    return isMet ? 0 : 1;
  });
}

async function measure(load, crowd, { home, tls, seconds }, defer) {
  step(`Starting mesh serve (${transportTitle(tls)})`);
  const server = await load.ServedCoordinator.start(join(projectRoot, "dist/bundle/main.js"), home, tls);
  defer(() => server[Symbol.asyncDispose]());
  const isFirst = tls === "off";
  const registerSeconds = isFirst ? await timed("Registering all peers", () => crowd.register(server)) : null;
  const connectSeconds = await timed("Connecting all peers", () => crowd.connect(server));
  crowd.becomeRestless();
  await sleep(SETTLE_SECONDS * 1000);
  crowd.tally.take();
  step(`Watching the coordinator for ${seconds} s`);
  const rest = await watch(server.pid, seconds);
  const messages = crowd.tally.take();
  step("Changing who may reach whom");
  const rounds = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push(await load.policyChanges(server, crowd));
  const afterwards = { messages: crowd.tally.take(), rssBytes: residentBytes(server.pid).rss };
  crowd.leave();
  await server.stop();
  return { tls, registerSeconds, connectSeconds, ...rest, messages, rounds, afterwards };
}

async function timed(title, work) {
  step(title);
  const startedMs = performance.now();
  await work();
  return (performance.now() - startedMs) / 1000;
}

async function watch(pid, seconds) {
  const before = cpuSeconds([pid]);
  const startedMs = performance.now();
  const elapsed = () => (performance.now() - startedMs) / 1000;
  const rssSamples = [];
  while (elapsed() < seconds) {
    await sleep(1000 * Math.min(SAMPLE_SECONDS, seconds - elapsed()));
    rssSamples.push(residentBytes(pid).rss);
  }
  const cpuPercent = (100 * (cpuSeconds([pid]) - before)) / elapsed();
  return { cpuPercent, rssBytes: Math.max(...rssSamples), rssSamples };
}
