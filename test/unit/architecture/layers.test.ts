import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";

/** The table of docs/architecture.md: lower layers never import higher ones. */
const LAYER_OF: Record<string, number> = {
  base: 0,
  packet: 0,
  api: 1,
  host: 1,
  wireguard: 2,
  nat: 2,
  filter: 2,
  tun: 2,
  transports: 2,
  dns: 2,
  exit: 2,
  web: 2,
  router: 3,
  relay: 3,
  control: 3,
  coord: 3,
  daemon: 4,
  cli: 5,
};

/** Imports between folders of one layer; all others there are forbidden. `packet` throws `base`'s errors. */
const SIBLINGS_ALLOWED = new Set(["packet → base"]);

/** Beyond the layers: the coordinator stays free of what only a peer needs. */
const FORBIDDEN = new Set(["coord → wireguard", "coord → tun", "coord → transports"]);

const SOURCE = resolve(import.meta.dirname, "../../../src");

interface Import {
  readonly from: string;
  readonly to: string;
}

function sourceFiles(): string[] {
  return readdirSync(SOURCE, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => join(SOURCE, path));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, "utf8");
  const specifiers = text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*"(\.[^"]+)"/g);
  return Array.from(specifiers, ([, specifier]) => ({ from: file, to: resolve(dirname(file), specifier as string) }));
}

const folderOf = (file: string): string => relative(SOURCE, file).split("/")[0] ?? "";

const files = sourceFiles();
const imports = files.flatMap(importsOf);

describe("the layers of src/", () => {
  it("are looked at over real files and imports", () => {
    expect(files.length).toBeGreaterThan(100);
    expect(imports.length).toBeGreaterThan(300);
    expect([...new Set(files.map(folderOf))].filter((folder) => LAYER_OF[folder] === undefined)).toEqual([]);
  });

  it("import only lower layers, and no siblings below layer 3", () => {
    const violations = imports.filter(({ from, to }) => {
      const [fromFolder, toFolder] = [folderOf(from), folderOf(to)];
      if (fromFolder === toFolder) return false;
      const edge = `${fromFolder} → ${toFolder}`;
      if (FORBIDDEN.has(edge)) return true;
      const [fromLayer, toLayer] = [LAYER_OF[fromFolder] as number, LAYER_OF[toFolder] as number];
      return toLayer > fromLayer || (toLayer === fromLayer && !SIBLINGS_ALLOWED.has(edge));
    });
    expect(violations.map(({ from, to }) => `${relative(SOURCE, from)} → ${relative(SOURCE, to)}`)).toEqual([]);
  });

  it("import files that exist, by their .ts names", () => {
    const known = new Set(files);
    const broken = imports.filter(({ to }) => !known.has(to));
    expect(broken.map(({ from, to }) => `${relative(SOURCE, from)} → ${relative(SOURCE, to)}`)).toEqual([]);
  });

  it("have no import cycles", () => {
    expect(findCycle(imports)).toEqual([]);
  });
});

describe("a command", () => {
  it("loads a parser of command lines and what it says, until it is known which one it is", () => {
    const { files, packages } = loadedBy("cli/program.ts");
    expect(packages).toEqual(["commander"]);
    expect(files.filter((path) => !/^(base|cli|packet)\//.test(path))).toEqual(["api/bounds.ts"]);
    expect(files.length).toBeLessThan(70);
  });

  it("that asks the daemon loads nothing of a daemon or a coordinator", () => {
    const { files, packages } = loadedBy("cli/program.ts", "cli/clients/local-client.ts", "cli/views/status-view.ts");
    expect(packages).toEqual(["commander", "zod"]);
    expect(files.filter((path) => !/^(api|base|cli|packet)\//.test(path))).toEqual(["daemon/networks/home.ts"]);
  });
});

/** What is loaded with these files, before anything of them runs: files of ours from `src/` on, and packages by name. */
function loadedBy(...entries: string[]): { readonly files: string[]; readonly packages: string[] } {
  const packages = new Set<string>();
  const found = new Set(entries.map((entry) => join(SOURCE, entry)));
  for (const file of found) {
    for (const [, specifier = ""] of readFileSync(file, "utf8").matchAll(
      /^(?:import|export) (?!type )(?:[^"();=]*? from )?"([^"]+)";/gm,
    )) {
      if (specifier.startsWith(".")) found.add(resolve(dirname(file), specifier));
      else if (!specifier.startsWith("node:")) packages.add(specifier);
    }
  }
  return { files: Array.from(found, (file) => relative(SOURCE, file)).sort(), packages: [...packages].sort() };
}

function findCycle(edges: readonly Import[]): string[] {
  const targets = new Map<string, string[]>();
  for (const { from, to } of edges) targets.set(from, [...(targets.get(from) ?? []), to]);
  const done = new Set<string>();
  const visit = (file: string, trail: readonly string[]): string[] => {
    if (trail.includes(file)) return [...trail.slice(trail.indexOf(file)), file];
    if (done.has(file)) return [];
    for (const next of targets.get(file) ?? []) {
      const cycle = visit(next, [...trail, file]);
      if (cycle.length > 0) return cycle;
    }
    done.add(file);
    return [];
  };
  for (const file of targets.keys()) {
    const cycle = visit(file, []);
    if (cycle.length > 0) return cycle.map((path) => relative(SOURCE, path));
  }
  return [];
}
