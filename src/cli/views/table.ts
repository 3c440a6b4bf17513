import { stripVTControlCharacters } from "node:util";

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  readonly align?: "left" | "right";
}

const GAP = "  ";

/** Rows under their titles, each column as wide as its widest cell; lines carry no trailing blanks. */
export function renderTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const lines = [columns.map(({ title }) => title), ...rows.map((row) => columns.map(({ cell }) => cell(row)))];
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => displayWidth(line[index] ?? ""))));
  return lines
    .map((line) =>
      columns
        .map((column, index) => pad(line[index] ?? "", widths[index] ?? 0, column.align ?? "left"))
        .join(GAP)
        .trimEnd(),
    )
    .join("\n");
}

/** `key  value` lines with the values under each other. */
export function renderFields(fields: readonly (readonly [key: string, value: string])[]): string {
  const width = Math.max(0, ...fields.map(([key]) => key.length));
  return fields.map(([key, value]) => `${key.padEnd(width)}${GAP}${value}`.trimEnd()).join("\n");
}

function pad(text: string, width: number, align: "left" | "right"): string {
  const fill = " ".repeat(width - displayWidth(text));
  return align === "left" ? text + fill : fill + text;
}

function displayWidth(text: string): number {
  return stripVTControlCharacters(text).length;
}
