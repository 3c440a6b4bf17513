#!/usr/bin/env node
// Everything that a fresh machine needs: the npm packages of the lock file and the system tools of a purpose.
//
//   npm run setup                        all purposes
//   npm run setup -- test                one of: build demo test bench
//   npm run setup -- --without-compiler  leave the system without a compiler (a peer needs none)
import { parseArgs } from "node:util";
import { detail, isMain, runMain, ScriptError, step } from "./lib/console.mjs";
import { checkNodeVersion, ensureNodeModules } from "./lib/node-modules.mjs";
import { ensureTools } from "./lib/system-tools.mjs";
import { ensureUnpacked } from "./lib/unpacked-packages.mjs";

const PURPOSES = ["build", "demo", "test", "bench"];
/** Purposes that run `mesh serve`. */
const NEEDS_COORDINATOR = ["demo", "test"];

/**
 * Brings the machine into the state that `purposes` need; does nothing where it is there already.
 * @param {{for: string[], compiler?: boolean}} options
 * @throws ScriptError with what is missing and how to get it
 */
export async function setup(options) {
  checkNodeVersion();
  const unknown = options.for.filter((purpose) => !PURPOSES.includes(purpose));
  if (unknown.length > 0)
    throw new ScriptError(`unknown purpose ${unknown.join(", ")}; there are ${PURPOSES.join(", ")}`);
  if (options.compiler !== false) await ensureTools(["compiler"], { required: false });
  await ensureNodeModules({ sqlite: options.for.some((purpose) => NEEDS_COORDINATOR.includes(purpose)) });
  await ensureTools(options.for, { required: true });
  if (options.for.includes("test")) await ensureUnpacked();
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { "without-compiler": { type: "boolean", default: false } },
  });
  const purposes = positionals.length > 0 ? positionals : PURPOSES;
  step(`Setting up for: ${purposes.join(", ")}`);
  await setup({ for: purposes, compiler: !values["without-compiler"] });
  detail("everything is in place");
}

if (isMain(import.meta.url)) await runMain(main);
