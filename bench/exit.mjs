/**
 * What an exit costs: one TCP stream to a host of the internet through a peer, beside one that ends at that peer. Real
 * daemons; the exit forwards and translates as it does for users. Pairs of measurements, one right after the other, in
 * turns which comes first.
 *
 *     npm run bench -- exit [--runs N] [--seconds S] [--json FILE] [--gate]
 */
import { parseArgs } from "node:util";
import { withCleanup } from "../scripts/lib/cleanup.mjs";
import { detail, formatTable, step } from "../scripts/lib/console.mjs";
import { iperf3 } from "./lib/iperf3.mjs";
import { describeMachine } from "./lib/machine.mjs";
import { writeRecord } from "./lib/record-file.mjs";
import { median } from "./lib/statistics.mjs";
import { wholeNumber } from "./lib/throughput-options.mjs";

const LEAST_RATIO = 0.8;
const DIRECTIONS = { out: [], back: ["-R"] };

/**
 * @param {string[]} args
 * @param {() => Promise<typeof import("./exit/lab.ts")>} prepare sets up what the lab needs, and loads it
 * @returns {Promise<number>} exit status: with `--gate` 1 when the exit costs more than it may
 */
export async function exit(args, prepare) {
  const { values } = parseArgs({
    args,
    options: {
      runs: { type: "string", default: "7" },
      seconds: { type: "string", default: "3" },
      json: { type: "string" },
      gate: { type: "boolean", default: false },
    },
  });
  const runs = wholeNumber("--runs", values.runs, 1);
  const seconds = wholeNumber("--seconds", values.seconds, 1);
  const { ExitNetwork, WEB } = await prepare();
  return withCleanup(async (defer) => {
    step("Starting a host, an exit and an internet");
    const network = await ExitNetwork.open("carol");
    defer(() => network[Symbol.asyncDispose]());
    const alice = await network.join();
    const carol = await alice.reaches("carol");
    await alice.mesh("exit", "use", "carol");
    await network.leavesBy("carol");
    const left = network.alice.namespace;
    const at = { web: network.web.namespace, peer: network.exit("carol").host.namespace };
    const ways = {
      ipv4: { exit: { left, right: at.web, address: WEB.ipv4 }, peer: { left, right: at.peer, address: carol.ip4 } },
      ipv6: { exit: { left, right: at.web, address: WEB.ipv6 }, peer: { left, right: at.peer, address: carol.ip6 } },
    };
    const pairs = [];
    for (let run = 0; run < runs; run++) {
      step(`Pair ${run + 1} of ${runs}`);
      for (const family of Object.keys(ways))
        for (const direction of Object.keys(DIRECTIONS))
          pairs.push(await measurePair({ run, family, direction, ways: ways[family], seconds }));
    }
    const record = { at: new Date().toISOString(), machine: await describeMachine(), seconds, pairs };
    const file = writeRecord("exit", record, values.json);
    const isWithin = show(pairs);
    detail(`all records: ${file}`);
    return values.gate && !isWithin ? 1 : 0;
  });
}

async function measurePair({ run, family, direction, ways, seconds }) {
  const order = run % 2 === 0 ? ["peer", "exit"] : ["exit", "peer"];
  const pair = { family, direction };
  for (const way of order) {
    const { sum_received: received } = await iperf3(ways[way], seconds, DIRECTIONS[direction]);
    pair[way] = received.bits_per_second / 1e9;
  }
  detail(`${family} ${direction}: peer ${pair.peer.toFixed(2)}, exit ${pair.exit.toFixed(2)} Gbit/s`);
  return pair;
}

/** @returns whether every kind is within the bound */
function show(pairs) {
  const kinds = [...new Set(pairs.map(kindOf))].map((kind) => {
    const ofKind = pairs.filter((pair) => kindOf(pair) === kind);
    const medianOf = (figure) => median(ofKind.map(figure));
    const [peer, through] = [medianOf((pair) => pair.peer), medianOf((pair) => pair.exit)];
    return { kind, peer, through, ratio: medianOf((pair) => pair.exit / pair.peer) };
  });
  const rows = kinds.map(({ kind, ...figures }) => [kind, ...Object.values(figures).map((each) => each.toFixed(2))]);
  const heading = ["one TCP stream, Gbit/s", "to the peer", "through it", "median of ratios"];
  process.stdout.write(`\n${formatTable([heading, ...rows])}\n\n`);
  return kinds.every(({ ratio }) => ratio >= LEAST_RATIO);
}

function kindOf({ family, direction }) {
  return `${family} ${direction}`;
}
