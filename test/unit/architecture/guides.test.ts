import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { parseGuide } from "../../support/guides/guide.ts";
import { GUIDES } from "../../support/guides/guides.ts";
import { isShownTruly } from "../../support/guides/shown-output.ts";

const DOCS = resolve(import.meta.dirname, "../../../docs");
const read = (path: string) => readFileSync(join(DOCS, path), "utf8");

describe("docs/guides", () => {
  it("are followed by test/soak/guides.test.ts, every one of them", () => {
    expect(GUIDES.map((name) => `${name}.md`).toSorted()).toEqual(readdirSync(join(DOCS, "guides")).sort());
  });

  it.each(GUIDES)("%s: a test can type all that it shows", (name) => {
    const steps = parseGuide(read(`guides/${name}.md`));
    expect(steps.filter(({ kind }) => kind === "command").length).toBeGreaterThan(0);
  });
});

describe("docs/README.md", () => {
  const pages = readdirSync(DOCS, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".md"));
  const linksOf = (path: string) =>
    [...read(path).matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)/g)].map(([, link]) => join(dirname(path), link!));

  it("leads to every page but the decisions", () => {
    const listed = new Set(linksOf("README.md"));
    const missed = pages.filter((path) => !path.startsWith("decisions/") && path !== "README.md" && !listed.has(path));
    expect(missed).toEqual([]);
  });

  it.each([...pages, "../README.md"])("%s: its links lead somewhere", (path) => {
    expect(linksOf(path).filter((link) => !existsSync(join(DOCS, link)))).toEqual([]);
  });
});

describe("what a guide has a test do", () => {
  const page = [
    "# Title",
    "<!-- file server:server.yaml -->",
    "```yaml",
    "name: mesh",
    "```",
    "```console",
    "server# mesh serve   # the first time",
    "ready https://…",
    "server# mesh status   # exit status 3",
    "```",
    "<!-- copy server:bob.toml bob -->",
    "<!-- stage: bob moves -->",
  ];

  it("stands on the page", () => {
    const command = { kind: "command", machine: "server", exitStatus: 0, shown: [] };
    expect(parseGuide(page.join("\n"))).toEqual([
      { kind: "file", line: 3, machine: "server", path: "server.yaml", text: "name: mesh\n" },
      {
        ...command,
        line: 7,
        command: "mesh serve   # the first time",
        shown: ["ready https://…"],
      },
      { ...command, line: 9, command: "mesh status", exitStatus: 3 },
      { kind: "copy", line: 11, machine: "server", path: "bob.toml", to: "bob" },
      { kind: "stage", line: 12, what: "bob moves" },
    ]);
  });

  it("leaves no block out", () => {
    expect(() => parseGuide("```sh\nmesh up\n```")).toThrow("line 1");
    expect(() => parseGuide("```\nmesh up\n```")).toThrow("line 1");
    expect(() => parseGuide("```console\nmesh up\n```")).toThrow("line 2");
    expect(() => parseGuide("<!-- stages: nothing -->")).toThrow("line 1");
  });
});

describe("what a guide shows of a command's output", () => {
  const printed = "NAME   SINCE\nalice  3 s ago\nbob    12 s ago\n3 left\n";

  it("is what it says, whatever time it is there, and however wide the columns are", () => {
    expect(isShownTruly(["NAME SINCE", "alice  7 s ago", "bob  1 s ago", "3 left"], printed)).toBe(true);
    expect(isShownTruly(["…", "bob  …", "…"], printed)).toBe(true);
    expect(isShownTruly(["…", "NAME  SINCE", "…", "3 left", "…"], printed)).toBe(true);
  });

  it("is not what it does not say", () => {
    expect(isShownTruly(["NAME SINCE", "alice  7 s ago", "3 left"], printed)).toBe(false);
    expect(isShownTruly(["NAME SINCE", "alice  7 s ago", "bob  1 s ago", "4 left"], printed)).toBe(false);
    expect(isShownTruly(["…", "carol …", "…"], printed)).toBe(false);
    expect(isShownTruly(["NAME SINCE"], printed)).toBe(false);
    expect(isShownTruly(["…", "bob  1 s ago"], printed)).toBe(false);
  });

  it("may have other keys, tokens, times and addresses of a network made at random", () => {
    const line =
      "bob fd11:9fb:51db:4000::2 STgJA48tuirqKnyNrAZXOkwHBW47KMnPdnxlGzGMVRg= 2026-11-22T03:18:05.417Z 1.3 ms";
    const other = "bob fd77:1:f:4000::3 AAgJA48tuirqKnyNrAZXOkwHBW47KMnPdnxlGzGMVRg= 2027-01-01T00:00:00.000Z 20 ms";
    expect(isShownTruly([line], other)).toBe(false);
    expect(isShownTruly([line], other.replace("::3", "::2"))).toBe(true);
    expect(isShownTruly(["mesh join mesh1_…"], "mesh join mesh1_eyJpIjoi\n")).toBe(true);
  });
});
