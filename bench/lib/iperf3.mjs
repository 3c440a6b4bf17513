import { ScriptError } from "../../scripts/lib/console.mjs";
import { runInside, startInside } from "./inside.mjs";

/** Beyond the test's own duration: connecting, and the exchange of results at the end. */
const GRACE_MS = 15_000;

/**
 * One run of iperf3 from the left end to a server at the right end.
 * @param {{left: string, right: string, address: string}} contender
 * @param {number} seconds
 * @param {readonly string[]} args of the client
 * @returns {Promise<object>} `end` of the client's JSON report
 * @throws ScriptError with iperf3's own words
 */
export async function iperf3(contender, seconds, args) {
  // A server for one test: one that has seen an interrupted test may refuse the next.
  const server = startInside(contender.right, "iperf3", ["-s", "-1", "--forceflush"]);
  try {
    await server.waitFor(/Server listening/);
    const client = ["-c", contender.address, "-t", String(seconds), "-J", ...args];
    const { stdout } = await runInside(contender.left, "iperf3", client, { timeoutMs: seconds * 1000 + GRACE_MS });
    const report = parseReport(stdout);
    if (report.error !== undefined) throw new ScriptError(`iperf3 ${args.join(" ")}: ${report.error}`);
    return report.end;
  } finally {
    await server.stop();
  }
}

function parseReport(text) {
  try {
    return JSON.parse(text);
  } catch {
    return { error: text.trim() === "" ? "no report within the time" : text.trim() };
  }
}
