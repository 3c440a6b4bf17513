import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const ROOT = resolve(import.meta.dirname, "../../..");

function filesUnder(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => /\.(ts|mts|mjs|c)$/.test(path))
    .map((path) => join(ROOT, folder, path))
    .filter((path) => path !== import.meta.filename);
}

/** `FILE:LINE` of each line that `pattern` matches. */
function matches(files: readonly string[], pattern: RegExp): string[] {
  return files.flatMap((file) =>
    readFileSync(file, "utf8")
      .split("\n")
      .flatMap((line, index) => (pattern.test(line) ? [`${relative(ROOT, file)}:${index + 1}`] : [])),
  );
}

describe("every test runs", () => {
  const tests = filesUnder("test").filter((file) => file.endsWith(".test.ts"));

  it("is looked at over real files", () => {
    expect(tests.length).toBeGreaterThan(30);
  });

  it("none is alone, skipped or only planned", () => {
    expect(
      matches(tests, /\b(?:describe|test|it|suite)\.(?:only|skip|skipIf|todo|fails)\b|\bx(?:it|describe)\(/),
    ).toEqual([]);
  });
});

it("nothing is left to be done in a comment", () => {
  const files = ["src", "test", "bench", "scripts", "native"].flatMap(filesUnder);
  expect(files.length).toBeGreaterThan(200);
  expect(matches(files, /\b(?:TODO|FIXME|XXX|HACK)\b/)).toEqual([]);
});

describe("npm-shrinkwrap.json", () => {
  const entrySchema = z.looseObject({
    version: z.string().optional(),
    resolved: z.string().optional(),
    optionalDependencies: z.record(z.string(), z.string()).default({}),
  });
  const lockSchema = z.looseObject({ packages: z.record(z.string(), entrySchema) });
  const { packages } = lockSchema.parse(JSON.parse(readFileSync(join(ROOT, "npm-shrinkwrap.json"), "utf8")));

  it("names no registry", () => {
    expect(Object.entries(packages).filter(([, entry]) => entry.resolved !== undefined)).toEqual([]);
  });

  // npm leaves out those that its registry did not offer when the file was written, and `npm ci` then refuses it.
  it("holds the optional packages of every platform", () => {
    const missing = Object.entries(packages).flatMap(([path, { optionalDependencies }]) =>
      Object.keys(optionalDependencies).filter(
        (name) =>
          packages[`${path}/node_modules/${name}`] === undefined && packages[`node_modules/${name}`] === undefined,
      ),
    );
    expect(missing).toEqual([]);
  });
});
