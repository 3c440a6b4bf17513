/**
 * What the packet filter costs: one TCP stream through a tunnel without rules, and through one with 1,000 rules and 50,000
 * tracked connections at each end. Pairs of measurements, one right after the other, in turns which comes first.
 *
 *     npm run bench -- filter [--runs N] [--seconds S] [--dist DIR] [--json FILE] [--gate]
 */
import { parseArgs } from "node:util";
import { withCleanup } from "../scripts/lib/cleanup.mjs";
import { detail, formatTable, ScriptError, step } from "../scripts/lib/console.mjs";
import { sweepNamespaces } from "../scripts/lib/netns.mjs";
import { staticTunnel } from "./lib/contenders/static-tunnel.mjs";
import { runInside } from "./lib/inside.mjs";
import { describeMachine } from "./lib/machine.mjs";
import { MEASURES } from "./lib/measures.mjs";
import { waitForAnswer } from "./lib/ping.mjs";
import { writeRecord } from "./lib/record-file.mjs";
import { median } from "./lib/statistics.mjs";
import { wholeNumber } from "./lib/throughput-options.mjs";

const RULES = 1000;
const CONNECTIONS = 50_000;
const FIRST_PORT = 10_000;
const LEAST_RATIO = 0.9;
/** Datagrams may be lost on the way; those that were not sent again until they are there. */
const FILL_ATTEMPTS = 10;
const MEASURED = { tcp1: "to the right", tcp1r: "to the left" };

/** None of them fits what is measured, and all of them must be found not to. */
const rules = Array.from({ length: RULES }, (_, i) => ({
  action: i % 2 === 0 ? "deny" : "reject",
  direction: i % 4 < 2 ? "in" : "out",
  ports: [{ first: 1000 + 50 * i, last: 1040 + 50 * i }],
  sources: [`172.16.${i % 256}.0/24`],
}));

/** Sends a datagram to each of many ports: a connection each for whoever tracks them. */
const SEND_TO_PORTS = `
  const socket = require("node:dgram").createSocket("udp4");
  socket.on("error", () => {});
  socket.bind(9999, async () => {
    for (let i = 0; i < ${CONNECTIONS}; i++) {
      socket.send("x", ${FIRST_PORT} + i, process.argv[1]);
      if (i % 100 === 99) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    socket.close();
  });`;

/** @returns {Promise<number>} exit status */
export async function filter(args) {
  const { values } = parseArgs({
    args,
    options: {
      runs: { type: "string", default: "9" },
      seconds: { type: "string", default: "3" },
      dist: { type: "string" },
      json: { type: "string" },
      gate: { type: "boolean", default: false },
    },
  });
  const runs = wholeNumber("--runs", values.runs, 1);
  const seconds = wholeNumber("--seconds", values.seconds, 1);
  const place = values.dist === undefined ? {} : { dist: values.dist };
  return withCleanup(async (defer) => {
    await sweepNamespaces();
    const start = async (name, options) => {
      step(`Starting ${name}`);
      const contender = await staticTunnel({ name, aeadProvider: "auto", ...place, ...options }).start(defer);
      await waitForAnswer(contender, name);
      return contender;
    };
    const open = await start("open", {});
    const filtered = await start("filtered", { filter: rules });
    const pairs = [];
    for (let run = 0; run < runs; run++) {
      step(`Pair ${run + 1} of ${runs}`);
      for (const measure of Object.keys(MEASURED))
        pairs.push(await measurePair({ run, measure, open, filtered, seconds }));
    }
    const machine = await describeMachine();
    const at = new Date().toISOString();
    const file = writeRecord(
      "filter",
      { at, machine, rules: RULES, connections: CONNECTIONS, seconds, pairs },
      values.json,
    );
    const isWithin = show(pairs);
    detail(`all records: ${file}`);
    return values.gate && !isWithin ? 1 : 0;
  });
}

async function measurePair({ run, measure, open, filtered, seconds }) {
  const { measure: take, value } = MEASURES[measure];
  const pair = { measure };
  for (const name of run % 2 === 0 ? ["open", "filtered"] : ["filtered", "open"]) {
    if (name === "filtered") await fill(filtered);
    const record = await take(name === "open" ? open : filtered, seconds);
    pair[name] = record[value];
  }
  pair.ratio = pair.filtered / pair.open;
  detail(`${MEASURED[measure]}: ${pair.open.toFixed(2)} open, ${pair.filtered.toFixed(2)} filtered`);
  return pair;
}

/** @throws ScriptError when not all connections get there */
async function fill(contender) {
  for (let attempt = 0; attempt < FILL_ATTEMPTS; attempt++) {
    await runInside(contender.left, process.execPath, ["-e", SEND_TO_PORTS, contender.address]);
    const counts = await Promise.all(["left", "right"].map((side) => contender.connections(side)));
    if (counts.every((count) => count >= CONNECTIONS)) return;
  }
  throw new ScriptError("the filter does not come to track as many connections as it is to be measured with");
}

/** @returns whether both ways are within the bound */
function show(pairs) {
  const ofWay = (measure) => pairs.filter((pair) => pair.measure === measure);
  const medianOf = (measure, key) => median(ofWay(measure).map((pair) => pair[key]));
  const rows = Object.entries(MEASURED).map(([measure, way]) => [
    way,
    medianOf(measure, "open").toFixed(2),
    medianOf(measure, "filtered").toFixed(2),
    medianOf(measure, "ratio").toFixed(3),
  ]);
  process.stdout.write(
    `\n${formatTable([["one TCP stream, Gbit/s", "open", "filtered", "median of ratios"], ...rows])}\n`,
  );
  return Object.keys(MEASURED).every((measure) => medianOf(measure, "ratio") >= LEAST_RATIO);
}
