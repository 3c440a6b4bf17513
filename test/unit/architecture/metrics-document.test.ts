import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import type { Metric } from "../../../src/base/metrics.ts";
import { COORDINATOR_METRICS } from "../../../src/coord/metrics/coordinator-metrics.ts";
import { DAEMON_METRICS } from "../../../src/daemon/metrics/daemon-metrics.ts";
import { RELAY_HOST_METRICS } from "../../../src/daemon/relay-host/relay-host-metrics.ts";
import { PROCESS_METRICS } from "../../../src/host/process-metrics.ts";
import { RELAY_METRICS } from "../../../src/relay/relay-metrics.ts";

type Described = Pick<Metric<never>, "name" | "type" | "labels" | "help">;

const COMMON: readonly Described[] = PROCESS_METRICS;
const own = (metrics: readonly Described[]) =>
  metrics.filter(({ name }) => !COMMON.some((other) => other.name === name));

const SECTIONS: readonly (readonly [title: string, metrics: readonly Described[]])[] = [
  ["Of a peer", own(DAEMON_METRICS)],
  ["Of the coordinator", own(COORDINATOR_METRICS)],
  ["Of a relay, in the coordinator or alone", RELAY_METRICS],
  ["Of a stand-alone relay", RELAY_HOST_METRICS],
  ["Of every process", COMMON],
];

const HEAD = `# Metrics

Daemon, coordinator and relay speak [Prometheus's text format](https://prometheus.io/docs/instrumenting/exposition_formats/).
A peer's are printed by \`mesh metrics\`; \`--metrics-listen ADDRESS\` of \`mesh join\`, \`mesh up\`, \`mesh serve\` and \`mesh relay\`
(\`metrics_listen\` in the configuration file; for a peer by \`mesh set\` as well) serves them over plain HTTP:

| path | answer |
|---|---|
| \`/metrics\` | the metrics |
| \`/healthz\` | 200 as long as the process answers at all |
| \`/readyz\` | 200 when it can do its work, else 503 with the error \`not-ready\`, which names what is missing |

Coordinator and relay answer the last two where peers reach them as well. Whoever reaches the address may read: names of peers
are among the labels, so listen on loopback (\`127.0.0.1:9586\`) or on this machine's address in the mesh.

Counters are read when somebody asks for them: nothing is added to a packet's way for them. The data thread's stages are timed
in one turn of sixteen, which stands for the others. There are at most a dozen series for each peer in sight, and one for each
reason for a drop; addresses, paths and clients of a relay are no labels. Drops are counted for the interface as a whole, and for
the peer as well where it is known when they happen: its series of a reason begins with the first such drop, which a rate then
misses. [\`configs/alerts.yaml\`](../configs/alerts.yaml) has alerting rules.
`;

const document = HEAD + SECTIONS.map(([title, metrics]) => section(title, metrics)).join("");

function section(title: string, metrics: readonly Described[]): string {
  const lines = metrics.map(
    ({ name, type, labels, help }) =>
      `| \`${name}\` | ${type} | ${labels.join(", ") || "-"} | ${help.replaceAll("|", "\\|")} |\n`,
  );
  return `\n## ${title}\n\n| metric | type | labels | what it says |\n|---|---|---|---|\n${lines.join("")}`;
}

describe("docs/metrics.md", () => {
  it("has each metric on a line of its own (`npx vitest run --project unit -u metrics-document` writes it)", async () => {
    expect(document.match(/^\| `(mesh|process)_/gm)?.length).toBeGreaterThan(50);
    await expect(document).toMatchFileSnapshot("../../../docs/metrics.md");
  });

  it("has the metrics that configs/alerts.yaml asks for", () => {
    const rules = readFileSync(resolve(import.meta.dirname, "../../../configs/alerts.yaml"), "utf8");
    const asked = [...rules.matchAll(/^ +expr: .*$/gm)].flatMap(([expr]) => expr.match(/mesh_[a-z_]+/g) ?? []);
    const known = new Set(SECTIONS.flatMap(([, metrics]) => metrics.map(({ name }) => name)));
    expect(asked.length).toBeGreaterThan(10);
    expect(asked.filter((name) => !known.has(name.replace(/_bucket$/, "")))).toEqual([]);
  });
});
