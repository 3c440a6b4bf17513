import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { renderFields, renderTable } from "../../../../src/cli/views/table.ts";

describe("tables", () => {
  it("have columns as wide as their widest cell, colours not counted, and no trailing blanks", () => {
    const rows = [
      { name: "alice", bytes: "5 B", note: "" },
      { name: "\u001b[32mbo\u001b[0m", bytes: "1.20 MiB", note: "x" },
    ];
    const table = renderTable(
      [
        { title: "NAME", cell: (row) => row.name },
        { title: "BYTES", cell: (row) => row.bytes, align: "right" },
        { title: "NOTE", cell: (row) => row.note },
      ],
      rows,
    );
    expect(table.split("\n")).toEqual([
      "NAME      BYTES  NOTE",
      "alice       5 B",
      "\u001b[32mbo\u001b[0m     1.20 MiB  x",
    ]);
  });

  it("keep every cell and line", () => {
    const cell = fc.stringMatching(/^[a-z0-9]{0,20}$/);
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell)), (rows) => {
        const lines = renderTable(
          [
            { title: "A", cell: ([a]: [string, string]) => a },
            { title: "B", cell: ([, b]: [string, string]) => b },
          ],
          rows,
        ).split("\n");
        expect(lines).toHaveLength(rows.length + 1);
        const width = Math.max(1, ...rows.map(([a]) => a.length));
        expect(lines.slice(1)).toEqual(rows.map(([a, b]) => `${a.padEnd(width)}  ${b}`.trimEnd()));
      }),
    );
  });

  it("put the values of fields under each other", () => {
    expect(
      renderFields([
        ["a", "1"],
        ["long", "2"],
        ["x", ""],
      ]),
    ).toBe("a     1\nlong  2\nx");
  });
});
