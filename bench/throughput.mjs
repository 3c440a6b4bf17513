/**
 * Measures this project, wireguard-go, nebula and no tunnel at all side by side: each contender in a pair of network
 * namespaces of its own, all up at once, one measured at a time. A run takes every measure once, contender after
 * contender with nothing between, and each run starts with another contender, so that a slow moment of the machine
 * hits all alike.
 *
 *     npm run bench -- --help
 */
import { loadavg } from "node:os";
import { withCleanup } from "../scripts/lib/cleanup.mjs";
import { detail, note, step } from "../scripts/lib/console.mjs";
import { sweepNamespaces } from "../scripts/lib/netns.mjs";
import { describeMachine } from "./lib/machine.mjs";
import { MEASURES } from "./lib/measures.mjs";
import { waitForAnswer } from "./lib/ping.mjs";
import { measureQuietly } from "./lib/quiet.mjs";
import { writeRecord } from "./lib/record-file.mjs";
import { figuresTable, Results, ratiosTable, targetsTable } from "./lib/report.mjs";
import { selectContenders } from "./lib/selection.mjs";
import { median } from "./lib/statistics.mjs";
import { isGatePassed, judge } from "./lib/targets.mjs";
import { parseOptions, USAGE } from "./lib/throughput-options.mjs";

/** @returns {Promise<number>} exit status */
export async function throughput(args) {
  const options = parseOptions(args);
  if (options.help) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  return withCleanup(async (defer) => {
    await sweepNamespaces();
    const contenders = await startAll(await selectContenders(options, defer), defer);
    const machine = await describeMachine();
    const { results, conditions } = await measureAll(contenders, options);
    const judgements = judge(contenders, (name, measure) => results.values(name, measure));
    const described = contenders.map(({ name, kind, version, details }) => ({ name, kind, version, ...details }));
    const record = { at: new Date().toISOString(), machine, options, contenders: described, conditions };
    const file = writeRecord("throughput", { ...record, targets: judgements, records: results }, options.json);
    show({ machine, contenders, options, results, judgements, conditions });
    detail(`all records: ${file}`);
    return options.gate && !isGatePassed(judgements) ? 1 : 0;
  });
}

async function startAll(selected, defer) {
  const started = [];
  for (const { name, kind, start } of selected) {
    step(`Starting ${name}`);
    const contender = { name, kind, ...(await start(defer)) };
    await waitForAnswer(contender, name);
    if (contender.version !== "") detail(contender.version);
    started.push(contender);
  }
  return started;
}

async function measureAll(contenders, { runs, seconds, measures, patienceSeconds }) {
  const results = new Results();
  const conditions = [];
  for (let run = 0; run < runs; run++) {
    step(`Run ${run + 1} of ${runs}`);
    const first = run % contenders.length;
    const order = [...contenders.slice(first), ...contenders.slice(0, first)];
    const shares = [];
    for (const measure of measures) {
      const shown = [];
      for (const contender of order) {
        const record = await measureQuietly(patienceSeconds, () => MEASURES[measure].measure(contender, seconds));
        results.add(contender.name, measure, record);
        shares.push(record.otherWorkShare);
        shown.push(`${contender.name} ${record[MEASURES[measure].value].toFixed(MEASURES[measure].digits)}`);
      }
      detail(`${measure} (${MEASURES[measure].unit}): ${shown.join(", ")}`);
    }
    conditions.push({ loadAverage: loadavg(), otherWorkShare: median(shares) });
  }
  return { results, conditions };
}

function show({ machine, contenders, options, results, judgements, conditions }) {
  const { cpu, cores, kernel, node, iperf3 } = machine;
  const ours = contenders.filter(({ kind }) => kind === "mesh");
  const others = contenders.filter(({ kind }) => kind !== "mesh");
  const blocks = [
    `${cpu}, ${cores} cores, Linux ${kernel}, Node ${node}, iperf3 ${iperf3}\n` +
      `${options.runs} interleaved runs, ${options.seconds} s a measurement; both ends and iperf3 on this machine`,
    figuresTable(contenders, options.measures, results),
    ...(others.length === 0 ? [] : ours.map((own) => ratiosTable(own, others, options.measures, results))),
    targetsTable(judgements),
  ];
  process.stdout.write(`\n${blocks.join("\n\n")}\n\n`);
  const share = median(conditions.map(({ otherWorkShare }) => otherWorkShare));
  if (share > 0.1) note(`not a quiet machine: other work took ${Math.round(share * 100)} % of it (median)`);
}
