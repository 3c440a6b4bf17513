import { parseArgs } from "node:util";
import { ScriptError } from "../../scripts/lib/console.mjs";
import { MEASURES } from "./measures.mjs";

const PROVIDERS = ["auto", "openssl", "sodium", "noble"];

export const USAGE = `usage: npm run bench -- [options]

  --runs N                 interleaved runs, medians are shown (default: 5)
  --seconds S              length of each throughput measurement (default: 3)
  --only A,B               these contenders only
  --measures A,B           these of ${Object.keys(MEASURES).join(", ")}
  --aead P                 cipher provider of ours: ${PROVIDERS.join(", ")}; may be repeated to compare
  --daemons                ours as daemons that joined a coordinator, besides the bare data plane
  --wireguard-go PATH      a further wireguard-go binary; may be repeated
  --fetch-wireguard-go     the one of Debian 13, fetched with apt-get into a temporary folder
  --dist DIR               run this built output of ours in place of dist/
  --patience S             for each measurement, spend up to S seconds on finding a quiet moment (default: 0)
  --json FILE              where to write all records (default: bench/results/throughput-TIME.json)
  --gate                   end with status 1 when a target is missed or could not be measured`;

/** @throws ScriptError for a value that makes no sense, a TypeError for an unknown option */
export function parseOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      runs: { type: "string", default: "5" },
      seconds: { type: "string", default: "3" },
      only: { type: "string" },
      measures: { type: "string" },
      aead: { type: "string", multiple: true, default: [] },
      daemons: { type: "boolean", default: false },
      "wireguard-go": { type: "string", multiple: true, default: [] },
      "fetch-wireguard-go": { type: "boolean", default: false },
      dist: { type: "string" },
      patience: { type: "string", default: "0" },
      json: { type: "string" },
      gate: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  return {
    runs: wholeNumber("--runs", values.runs, 1),
    seconds: wholeNumber("--seconds", values.seconds, 1),
    patienceSeconds: wholeNumber("--patience", values.patience, 0),
    only: values.only?.split(","),
    measures: oneOf("measure", values.measures?.split(",") ?? Object.keys(MEASURES), Object.keys(MEASURES)),
    aead: oneOf("provider", values.aead, PROVIDERS),
    daemons: values.daemons,
    wireguardGo: values["wireguard-go"],
    fetchWireguardGo: values["fetch-wireguard-go"],
    dist: values.dist,
    json: values.json,
    gate: values.gate,
    help: values.help,
  };
}

export function wholeNumber(name, text, least, most = Number.MAX_SAFE_INTEGER) {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  const range = most === Number.MAX_SAFE_INTEGER ? `${least} on` : `${least} to ${most}`;
  throw new ScriptError(`${name} takes a whole number from ${range}, not ${text}`);
}

function oneOf(kind, names, known) {
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new ScriptError(`no ${kind} ${unknown.join(", ")}; there are ${known.join(", ")}`);
  return names;
}
