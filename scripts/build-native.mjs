// Compiles native/aead-batch.c. It is optional: without a compiler the prebuilt library of the package serves, and
// without that the next AEAD provider does.
//
//     node scripts/build-native.mjs [--prebuilt]
//
// Writes native/build/<platform>-<arch>/aead-batch.so, or native/prebuilt/… (the one in the package) with --prebuilt.
// Ends with status 0 when it built, 3 when there is no compiler.
import { spawnSync } from "node:child_process";
import { mkdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const NO_COMPILER_STATUS = 3;

const nativeFolder = join(dirname(dirname(fileURLToPath(import.meta.url))), "native");
const kind = process.argv.includes("--prebuilt") ? "prebuilt" : "build";
const outputFolder = join(nativeFolder, kind, `${process.platform}-${process.arch}`);
const output = join(outputFolder, "aead-batch.so");
const temporary = `${output}.${process.pid}`;

const compilers = process.env.CC === undefined ? ["cc", "gcc", "clang"] : [process.env.CC];
const flags = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-fvisibility=default", "-s"];
// Reproducible: the same source gives the same library.
const reproducible = ["-Wl,--build-id=none", `-ffile-prefix-map=${nativeFolder}=native`];

for (const compiler of compilers) {
  mkdirSync(outputFolder, { recursive: true });
  const args = [...flags, ...reproducible, "-o", temporary, join(nativeFolder, "aead-batch.c")];
  const result = spawnSync(compiler, args, { stdio: ["ignore", "inherit", "inherit"] });
  if (result.error !== undefined) continue;
  if (result.status !== 0) process.exit(1);
  // A library that is in use is replaced, never written into.
  renameSync(temporary, output);
  console.log(`built ${output}`);
  process.exit(0);
}
console.log("no C compiler found; the native AEAD batch library is not built (it is optional)");
process.exit(NO_COMPILER_STATUS);
