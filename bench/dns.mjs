/**
 * How soon a peer's name server answers under load: 2,000 queries a second for 10 s, asked by another process of the same
 * host over UDP, of names that there are and of one that there is not.
 *
 *     npm run bench -- dns [--rate N] [--seconds S] [--dist DIR] [--json FILE] [--gate]
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { withCleanup } from "../scripts/lib/cleanup.mjs";
import { detail, formatTable, ScriptError, step } from "../scripts/lib/console.mjs";
import { sweepNamespaces } from "../scripts/lib/netns.mjs";
import { projectRoot } from "../scripts/lib/project.mjs";
import { daemons } from "./lib/contenders/daemons.mjs";
import { runInside } from "./lib/inside.mjs";
import { describeMachine } from "./lib/machine.mjs";
import { writeRecord } from "./lib/record-file.mjs";
import { wholeNumber } from "./lib/throughput-options.mjs";

const P99_LIMIT_MS = 20;
const QUESTIONS = ["left.mesh/A", "right.mesh/AAAA", "left.members.mesh/A", "nobody.mesh/A", "left.mesh/TXT"];

/** @returns {Promise<number>} exit status */
export async function dns(args) {
  const { values } = parseArgs({
    args,
    options: {
      rate: { type: "string", default: "2000" },
      seconds: { type: "string", default: "10" },
      dist: { type: "string" },
      json: { type: "string" },
      gate: { type: "boolean", default: false },
    },
  });
  const rate = wholeNumber("--rate", values.rate, 1);
  const seconds = wholeNumber("--seconds", values.seconds, 1);
  return withCleanup(async (defer) => {
    await sweepNamespaces();
    step("Starting two daemons");
    const place = values.dist === undefined ? {} : { dist: values.dist };
    const { right, address } = await daemons({ name: "dns", aeadProvider: "auto", ...place }).start(defer);
    step(`Asking ${rate} times a second for ${seconds} s`);
    const load = [join(projectRoot, "bench/dns/load.mjs"), address, String(rate), String(seconds), ...QUESTIONS];
    const { status, stdout, stderr } = await runInside(right, process.execPath, load);
    if (status !== 0) throw new ScriptError(`the load failed: ${stderr.trim()}`);
    const result = JSON.parse(stdout);
    const isMet = result.answered === result.asked && result.p99Ms < P99_LIMIT_MS;
    const machine = await describeMachine();
    const file = writeRecord("dns", { at: new Date().toISOString(), machine, rate, seconds, ...result }, values.json);
    const ms = (value) => `${value?.toFixed(2) ?? "–"} ms`;
    const rows = [
      ["queries", "answered", "a second", "median", "p99", "worst", ""],
      [
        String(result.asked),
        String(result.answered),
        result.queriesPerSecond.toFixed(0),
        ms(result.medianMs),
        ms(result.p99Ms),
        ms(result.worstMs),
        isMet ? "pass" : "FAIL",
      ],
    ];
    process.stdout.write(`\n${formatTable(rows)}\n\nthe limits: every query answered, p99 < ${P99_LIMIT_MS} ms\n`);
    detail(`all records: ${file}`);
    return values.gate && !isMet ? 1 : 0;
  });
}
