import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { writeRecord } from "../../../bench/lib/record-file.mjs";
import { Results } from "../../../bench/lib/report.mjs";

it("a record is written as JSON where it is wanted, in a folder made for it", () => {
  const folder = mkdtempSync(join(tmpdir(), "mesh-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const records = new Results();
  records.add("mesh", "udp64", { deliveredPerSecond: 100, lostPercent: 0.5 });
  const file = join(folder, "deep/er/run.json");
  const record = { at: "2026-01-31T12:34:56.789Z", options: { runs: 1 }, records };
  expect(writeRecord("throughput", record, file)).toBe(file);
  const text = readFileSync(file, "utf8");
  expect(text.endsWith("}\n")).toBe(true);
  expect(JSON.parse(text)).toEqual({
    at: record.at,
    options: { runs: 1 },
    records: { mesh: { udp64: [{ deliveredPerSecond: 100, lostPercent: 0.5 }] } },
  });
});

it("by itself it has a name of its own among the results", () => {
  const benchmark = `test-${process.pid}`;
  const file = writeRecord(benchmark, { at: "2026-01-31T12:34:56.789Z" });
  onTestFinished(() => rmSync(file));
  expect(file).toMatch(new RegExp(`/bench/results/${benchmark}-2026-01-31T12-34-56\\.json$`));
});
