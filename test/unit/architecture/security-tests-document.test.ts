import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = resolve(import.meta.dirname, "../../..");

describe("docs/security-tests.md", () => {
  const rows = readFileSync(resolve(ROOT, "docs/security-tests.md"), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("| fault |"))
    .map((line) => line.split("|").map((cell) => cell.trim()));

  it("names for each fault what stops it and the tests that fail without, all of which are there", () => {
    expect(rows.length).toBeGreaterThan(25);
    for (const [, fault, stop, tests = "", end, ...more] of rows) {
      expect([fault, stop, end, more]).toEqual([expect.stringMatching(/\w/), expect.stringMatching(/\w/), "", []]);
      const paths = [...tests.matchAll(/`([^`]+)`/g)].map(([, path]) => path!);
      expect(tests).toBe(paths.map((path) => `\`${path}\``).join(", "));
      expect([fault, paths.length]).not.toEqual([fault, 0]);
      for (const path of paths) {
        expect(path).toMatch(/^test\/(unit|lab)\/.+\.test\.ts$/);
        expect([path, existsSync(resolve(ROOT, path))]).toEqual([path, true]);
      }
    }
  });
});
