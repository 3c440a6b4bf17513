import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { ADMIN_PREFIX, adminRoutes } from "../../../../src/daemon/local-api/routes/admin.ts";
import { ROUTES } from "../../../../src/daemon/local-api/routes.ts";

const ROOT = resolve(import.meta.dirname, "../../../..");

describe("docs/local-api.md", () => {
  const rows = readFileSync(resolve(ROOT, "docs/local-api.md"), "utf8")
    .split("\n")
    .filter((line) => /^\| `(GET|POST|DELETE|…) /.test(line))
    .map((line) => line.split("|").map((cell) => cell.trim()));

  it("has a line for each route, in their order, and says who may use it", () => {
    expect(rows.map(([, route, access]) => [route, access])).toEqual([
      ...Object.entries(ROUTES).map(([route, { access }]) => [`\`${route}\``, access]),
      [`\`… ${ADMIN_PREFIX}…\``, adminRoutes.get("POST")?.access],
    ]);
  });

  it("names shapes that there are", () => {
    const files = [
      "local",
      "local-bug-report",
      "local-filter",
      "local-dns",
      "local-exit",
      "local-host",
      "local-logs",
      "local-metrics",
      "local-settings",
      "explain",
    ];
    const contracts = files.map((file) => readFileSync(resolve(ROOT, `src/api/${file}.ts`), "utf8")).join("\n");
    const shapes = rows.flatMap(([, , , shape = ""]) => [...shape.matchAll(/`(\w+Schema)`/g)].map(([, name]) => name!));
    expect(shapes.length).toBeGreaterThan(25);
    for (const shape of shapes) expect(contracts).toContain(`export const ${shape} = `);
  });
});
