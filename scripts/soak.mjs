#!/usr/bin/env node
// `npm run soak`: set-up, build, and the long tests that `npm test` leaves out. Arguments go to vitest:
//
//   npm run soak -- test/soak/nat-grid.test.ts   one file
//   npm run soak -- -t "hard NAT"                tests by name
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "./build.mjs";
import { runMain } from "./lib/console.mjs";
import { countResults, reportTo, vitest } from "./lib/vitest.mjs";
import { setup } from "./setup.mjs";

await runMain(async () => {
  await setup({ for: ["test"] });
  await build();
  const directory = await mkdtemp(join(tmpdir(), "mesh-soak-"));
  try {
    const report = join(directory, "soak");
    const args = ["--project", "soak", ...reportTo(report), ...process.argv.slice(2)];
    const { status } = await vitest(args, { foreground: true });
    process.stdout.write(`${await countResults([report])}\n`);
    return status;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
