import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { CHILD_VARIABLE } from "../../../src/cli/running/child-daemon.ts";

const ROOT = resolve(import.meta.dirname, "../../..");

describe("docs/configuration.md", () => {
  it("has every environment variable that is read, and no other", () => {
    const sources = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts"))
      .map((path) => readFileSync(join(ROOT, "src", path), "utf8"));
    const read = sources.flatMap((text) =>
      [...text.matchAll(/\b(?:process\.env|environment)\.([A-Za-z_]+)/g)].map(([, name]) => name!),
    );
    const documented = readFileSync(join(ROOT, "docs/configuration.md"), "utf8")
      .split("\n")
      .flatMap((line) => [
        ...(/^\| (`[A-Za-z_]+`(?:, `[A-Za-z_]+`)*) \|/.exec(line)?.[1]?.matchAll(/[A-Za-z_]+/g) ?? []),
      ])
      .map(([name]) => name);
    expect(documented.toSorted()).toEqual([...new Set(read)].sort());
    // Between a daemon and its own starter, for nobody to set.
    expect(documented).not.toContain(CHILD_VARIABLE);
  });
});
