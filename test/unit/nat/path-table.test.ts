import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { PATH_TABLE_KINDS, pathBetween } from "../../support/lab/path-table.ts";

/** Cells of the first table, without backticks and asterisks. */
function firstTable(markdown: string): string[][] {
  const lines = markdown.split("\n");
  const start = lines.findIndex((line) => line.startsWith("|"));
  const end = lines.findIndex((line, i) => i > start && !line.startsWith("|"));
  return lines.slice(start, end).map((line) =>
    line
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.replaceAll(/[`*]/g, "").trim().toLowerCase()),
  );
}

it("docs/nat.md has the paths that the lab finds", () => {
  const [heading, , ...rows] = firstTable(readFileSync(new URL("../../../docs/nat.md", import.meta.url), "utf8"));
  expect(heading).toEqual(["", ...PATH_TABLE_KINDS]);
  expect(rows).toEqual(
    PATH_TABLE_KINDS.map((a, row) => [
      a,
      ...PATH_TABLE_KINDS.map((b, column) => (column < row ? "" : pathBetween({ a, b }))),
    ]),
  );
});
