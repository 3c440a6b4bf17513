#!/usr/bin/env node
// `npm run docs`: writes docs/cli.md and man/ from the definitions of the commands. A test fails where they are stale.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "./build.mjs";
import { detail, runMain } from "./lib/console.mjs";
import { projectRoot } from "./lib/project.mjs";
import { referenceFiles } from "./lib/reference/reference-files.mjs";

await runMain(async () => {
  await build();
  const { buildProgram } = await import("../dist/cli/program.js");
  const files = referenceFiles(buildProgram({ status: 0 }));
  const man = join(projectRoot, "man");
  mkdirSync(man, { recursive: true });
  for (const stale of readdirSync(man)) rmSync(join(man, stale));
  for (const [path, text] of files) writeFileSync(join(projectRoot, path), text);
  detail(`${files.size} files written`);
});
