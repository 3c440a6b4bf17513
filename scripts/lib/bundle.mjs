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
    await bundler.write({
      dir: directory,
      format: "esm",
      sourcemap: true,
      entryFileNames: "[name].js",
      chunkFileNames: "[name]-[hash].js",
    });
    await bundler.close();
  } catch (failure) {
    complaints.push(failure.message);
  }
  if (complaints.length > 0) throw new ScriptError(`the bundler reports:\n${complaints.join("\n")}`);
}
