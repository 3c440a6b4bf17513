import { median } from "./statistics.mjs";

/** What a coordinator may cost, and how late its peers may learn of a change. Without TLS: that has no bound. */
const BOUNDS = { cpuPercent: 30, rssBytes: 300e6, changeMs: 1000 };

const TRANSPORTS = { off: "plain HTTP", auto: "TLS" };

/** @param {"off" | "auto"} tls */
export const transportTitle = (tls) => TRANSPORTS[tls];

/**
 * @param runs one without TLS, which is judged, and others
 * @returns {{rows: string[][], isMet: boolean}} a table with its heading
 */
export function judge(runs) {
  const judged = runs.findIndex(({ tls }) => tls === "off");
  let isMet = true;
  const rows = [["", "bound", ...runs.map(({ tls }) => transportTitle(tls)), ""]];
  const add = (title, bound, values, format, isGood) => {
    const isPass = isGood?.(values[judged]);
    if (isPass === false) isMet = false;
    const verdict = isPass === undefined ? "" : isPass ? "pass" : "FAIL";
    rows.push([title, bound, ...values.map((value) => (value === null ? "–" : format(value))), verdict]);
  };
  const of = (field) => runs.map((run) => run[field]);
  const seconds = (value) => `${value.toFixed(1)} s`;
  add("all registered in", "–", of("registerSeconds"), seconds);
  add("all connected in", "–", of("connectSeconds"), seconds);
  const { cpuPercent, rssBytes, changeMs } = BOUNDS;
  const percent = (value) => `${value.toFixed(1)} %`;
  const megabytes = (value) => `${(value / 1e6).toFixed(0)} MB`;
  const milliseconds = (value) => `${value.toFixed(0)} ms`;
  add("CPU of a core", `< ${cpuPercent} %`, of("cpuPercent"), percent, (value) => value < cpuPercent);
  add("RSS", `< ${rssBytes / 1e6} MB`, of("rssBytes"), megabytes, (value) => value < rssBytes);
  runs[judged].rounds[0].forEach(({ title, affected }, i) => {
    const waits = runs.map(({ rounds }) => median(rounds.map((changes) => changes[i].lastMs)));
    add(`${title}: ${affected} told`, `< ${changeMs} ms`, waits, milliseconds, (value) => value < changeMs);
  });
  const afterwards = runs.map(({ afterwards }) => afterwards.rssBytes);
  add("RSS after these changes", "–", afterwards, megabytes);
  const wholeMaps = runs.map(({ rounds }) => rounds.flat().reduce((sum, { types }) => sum + (types.map ?? 0), 0));
  add("whole maps for a change", "0", wholeMaps, String, (value) => value === 0);
  return { rows, isMet };
}
