#!/usr/bin/env node
// Compiles src/ to dist/, and the native library where there is a compiler. Does nothing when dist/ is up to date.
// dist/bundle/ is the program, which the package holds; the modules beside it are for tests and benchmarks of a part.
//
//   npm run build [-- --force] [-- --ignore-type-errors] [-- --without-compiler]
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { bundle } from "./lib/bundle.mjs";
import { detail, isMain, note, runMain, ScriptError, step } from "./lib/console.mjs";
import { withFileLock } from "./lib/file-lock.mjs";
import { run } from "./lib/process.mjs";
import { cacheDirectory, projectRoot } from "./lib/project.mjs";
import { setup } from "./setup.mjs";

const dist = join(projectRoot, "dist");
const stampFile = join(cacheDirectory, "build.stamp");

/**
 * @param {{force?: boolean, ignoreTypeErrors?: boolean}} [options] `ignoreTypeErrors`: emit all the same, for work in
 *   progress.
 * @throws ScriptError with the compiler's messages
 */
export function build(options = {}) {
  return withFileLock(join(cacheDirectory, "build.lock"), async () => {
    await buildNative();
    const stamp = sourceStamp();
    if (!options.force && existsSync(dist) && readStamp() === stamp) return;
    step("Compiling src/ to dist/");
    await compile(options.ignoreTypeErrors === true);
    mkdirSync(cacheDirectory, { recursive: true });
    writeFileSync(stampFile, stamp);
  });
}

/** Compiles beside dist/ and swaps, so that a daemon started meanwhile never loads half of each. */
async function compile(ignoreTypeErrors) {
  removeLeftovers();
  // With our id: the compiler of a build that was killed may still be writing.
  const fresh = join(projectRoot, `dist.new-${process.pid}`);
  const old = join(projectRoot, `dist.old-${process.pid}`);
  try {
    const tsc = join(projectRoot, "node_modules/typescript/bin/tsc");
    const result = await run(process.execPath, [tsc, "-p", "tsconfig.build.json", "--outDir", fresh], {
      cwd: projectRoot,
    });
    if (result.status !== 0) {
      const messages = `${result.stdout}${result.stderr}`.trim();
      if (!ignoreTypeErrors || !existsSync(fresh)) throw new ScriptError(`the compiler reports:\n${messages}`);
      note(`compiled in spite of type errors:\n${messages}`);
    }
    await bundle(join(fresh, "bundle"));
    chmodSync(join(fresh, "bundle/main.js"), 0o755);
    if (existsSync(dist)) renameSync(dist, old);
    renameSync(fresh, dist);
  } finally {
    removeLeftovers();
  }
}

function removeLeftovers() {
  for (const name of readdirSync(projectRoot)) {
    if (!/^dist\.(new|old)-\d+$/.test(name)) continue;
    rmSync(join(projectRoot, name), { recursive: true, force: true, maxRetries: 3 });
  }
}

/** The batch cipher is a gain in speed, not a need: without it a peer uses the ready-made one, or another provider. */
async function buildNative() {
  const script = join(projectRoot, "scripts/build-native.mjs");
  if (!existsSync(script)) return;
  const result = await run(process.execPath, [script], { cwd: projectRoot });
  if (result.status === 0) return;
  const readyMade = join(projectRoot, `native/prebuilt/${process.platform}-${process.arch}/aead-batch.so`);
  const consequence = existsSync(readyMade) ? "the ready-made one serves" : "mesh works without it, at lower speed";
  note(`the native cipher library was not built; ${consequence}`);
  for (const line of `${result.stdout}${result.stderr}`.trim().split("\n").slice(-4)) detail(line);
}

/** A digest of names, sizes and times of everything that the output is made from. */
function sourceStamp() {
  const digest = createHash("sha256");
  const add = (path) => {
    const { size, mtimeMs } = statSync(join(projectRoot, path));
    digest.update(`${path} ${size} ${mtimeMs}\n`);
  };
  const sources = readdirSync(join(projectRoot, "src"), { recursive: true, withFileTypes: true });
  const files = sources.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  for (const file of files.sort()) add(file.slice(projectRoot.length + 1));
  for (const file of [
    "package.json",
    "npm-shrinkwrap.json",
    "scripts/lib/bundle.mjs",
    "tsconfig.json",
    "tsconfig.build.json",
  ])
    add(file);
  return digest.digest("hex");
}

function readStamp() {
  try {
    return readFileSync(stampFile, "utf8");
  } catch {
    return undefined;
  }
}

if (isMain(import.meta.url)) {
  await runMain(async () => {
    const { values } = parseArgs({
      options: {
        force: { type: "boolean", default: false },
        "ignore-type-errors": { type: "boolean", default: false },
        "without-compiler": { type: "boolean", default: false },
      },
    });
    await setup({ for: ["build"], compiler: !values["without-compiler"] });
    await build({ force: values.force, ignoreTypeErrors: values["ignore-type-errors"] });
  });
}
