import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ScriptError } from "./console.mjs";
import { oldestNode, projectRoot } from "./project.mjs";

/** What the program loads as files of their own: native code, and packages that look for files beside themselves. */
const EXTERNAL = ["better-sqlite3", "cpu-features", "koffi", "pino", "sodium-native"];

const ENTRIES = { main: "src/cli/main.ts", "data-worker": "src/router/data/data-worker.ts" };

/**
 * The program with its packages in a few files, so that a start loads those instead of a thousand
 * (`docs/decisions/027-bundle.md`). All of them stand in `directory`: `data-worker.js` is looked for beside who asks.
 * @param {string} directory two folders below the root, as those are that the sources find `package.json` and `native/` from
 * @throws ScriptError with what the bundler says, warnings too
 */
export async function bundle(directory) {
  const complaints = [];
  try {
    // Our scripts run before it is installed.
    const { rolldown } = await import("rolldown");
    const bundler = await rolldown({
      cwd: projectRoot,
      input: Object.fromEntries(Object.entries(ENTRIES).map(([name, file]) => [name, join(projectRoot, file)])),
      platform: "node",
      transform: {
        target: `node${oldestNode}`,
        // ssh2 looks where it stands for WebAssembly that it then has within itself.
        define: { __dirname: "import.meta.dirname" },
      },
      external: (id) => id.endsWith(".node") || EXTERNAL.includes(id),
      onLog: (level, { code, message }) => {
        // `depd`, which names the file that calls something outdated, uses `eval` to keep the arity of a function.
        if (level === "warn" && code !== "EVAL") complaints.push(message);
      },
    });
    const { output } = await bundler.write({
      dir: directory,
      format: "esm",
      sourcemap: true,
      entryFileNames: "[name].js",
      chunkFileNames: "[name]-[hash].js",
    });
    await bundler.close();
    writeFileSync(join(directory, "LICENSES.txt"), licences(output.flatMap(({ moduleIds = [] }) => moduleIds)));
  } catch (failure) {
    complaints.push(failure.message);
  }
  if (complaints.length > 0) throw new ScriptError(`the bundler reports:\n${complaints.join("\n")}`);
}

/** What the authors of the bundled packages want to go along with them: each package, and its licence as it has it. */
function licences(moduleIds) {
  const folders = new Set(moduleIds.flatMap((id) => packageFolderOf(id) ?? []));
  return [...folders]
    .map((folder) => {
      const {
        name,
        version,
        licenses,
        license = licenses?.[0]?.type,
      } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      const texts = readdirSync(folder)
        .filter((file) => /^(licen[cs]e|copying|notice)/i.test(file))
        .map((file) => readFileSync(join(folder, file), "utf8").trim());
      return [`${name} ${version} (${license})`, ...texts].join("\n\n");
    })
    .toSorted()
    .join(`\n\n${"=".repeat(80)}\n\n`)
    .concat("\n");
}

/** A folder called `node_modules` may also be a package's own matter: the innermost one with a manifest counts. */
function packageFolderOf(moduleId) {
  const ends = [...moduleId.matchAll(/\/node_modules\/(?:@[^/]+\/)?[^/]+/g)].map(
    ({ 0: { length }, index }) => index + length,
  );
  return ends.map((end) => moduleId.slice(0, end)).findLast((folder) => existsSync(join(folder, "package.json")));
}
