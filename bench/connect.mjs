/**
 * How quickly two peers that have not spoken yet come together, by what stands between them and the world: the first
 * answer to a ping every 50 ms, and when both ends used the path that docs/nat.md has for the pair. Real daemons behind
 * real routers; each run starts them anew, with keys and ports that nobody has heard of, and takes pair after pair.
 *
 *     npm run bench -- connect --help
 */
import { parseArgs } from "node:util";
import { withCleanup } from "../scripts/lib/cleanup.mjs";
import { detail, formatTable, note, ScriptError, step } from "../scripts/lib/console.mjs";
import { describeMachine } from "./lib/machine.mjs";
import { writeRecord } from "./lib/record-file.mjs";
import { quantile } from "./lib/statistics.mjs";
import { wholeNumber } from "./lib/throughput-options.mjs";

const USAGE = `usage: npm run bench -- connect [options]

  --runs N           of each pair (default: 20)
  --pairs A:B,C:D    these pairs of docs/nat.md, A calling B (default: all, the kind on the left calling)
  --json FILE        where to write all records (default: bench/results/connect-TIME.json)`;

const PERCENTILES = [0.5, 0.95, 0.99];

/**
 * @param {string[]} args
 * @param {() => Promise<typeof import("./connect/lab.ts")>} prepare sets up what the lab needs, and loads it
 * @returns {Promise<number>} exit status: 1 when a pair did not get its path
 */
export async function connect(args, prepare) {
  const { values } = parseArgs({
    args,
    options: {
      runs: { type: "string", default: "20" },
      pairs: { type: "string" },
      json: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const runs = wholeNumber("--runs", values.runs, 1);
  const lab = await prepare();
  const pairs = choosePairs(values.pairs, lab.PATH_TABLE_KINDS);
  return withCleanup(async (defer) => {
    step(`Building ${pairs.length} pairs of sites`);
    const grid = await lab.NatGrid.open(pairs, { asStrangers: true });
    defer(() => grid[Symbol.asyncDispose]());
    const records = pairs.map((pair) => ({ ...pair, transport: lab.pathBetween(pair), meetings: [], failures: [] }));
    for (let run = 1; run <= runs; run++) {
      step(`Run ${run} of ${runs}`);
      await grid.join();
      for (const record of records) await measure(grid, record, lab.meet);
      await grid.leave();
    }
    const machine = await describeMachine();
    const file = writeRecord("connect", { at: new Date().toISOString(), machine, runs, records }, values.json);
    process.stdout.write(`\n${tableOf(records)}\n\n`);
    const failed = records.filter(({ failures }) => failures.length > 0);
    for (const { a, b, failures } of failed) note(`${a} – ${b}: ${failures.length} of ${runs} failed: ${failures[0]}`);
    detail(`all records: ${file}`);
    return failed.length > 0 ? 1 : 0;
  });
}

function choosePairs(text, kinds) {
  if (text === undefined) return kinds.flatMap((a, i) => kinds.slice(i).map((b) => ({ a, b })));
  return text.split(",").map((pair) => {
    const [a, b] = pair.split(":");
    if (kinds.includes(a) && kinds.includes(b)) return { a, b };
    throw new ScriptError(`no pair ${pair}: give A:B, of ${kinds.join(", ")}`);
  });
}

async function measure(grid, record, meet) {
  try {
    record.meetings.push(await meet(...grid.peers(record), { transport: record.transport }));
  } catch (failure) {
    record.failures.push(failure.message);
  }
}

function tableOf(records) {
  const names = PERCENTILES.map((fraction) => `p${fraction * 100}`);
  const heading = ["ms", "runs", ...names.map((name) => `first answer ${name}`), "path", ...names];
  const rows = records.map(({ a, b, transport, meetings }) => {
    const cells = (field) =>
      PERCENTILES.map(
        (fraction) =>
          quantile(
            meetings.map((each) => each[field]),
            fraction,
          )?.toFixed(0) ?? "–",
      );
    return [`${a} – ${b}`, `${meetings.length}`, ...cells("firstAnswerMs"), transport, ...cells("settledMs")];
  });
  return formatTable([heading, ...rows]);
}
