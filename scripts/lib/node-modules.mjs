import { existsSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { note, ScriptError, step } from "./console.mjs";
import { withFileLock } from "./file-lock.mjs";
import { mustRun, run } from "./process.mjs";
import { cacheDirectory, oldestNode, projectRoot } from "./project.mjs";

export function checkNodeVersion() {
  const parts = (version) => version.split(".").map(Number);
  const [major, minor] = parts(process.versions.node);
  const [leastMajor, leastMinor] = parts(oldestNode);
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return;
  throw new ScriptError(
    `Node ${oldestNode} or later is needed; this is ${process.versions.node} (${process.execPath})`,
  );
}

/**
 * Installs the locked npm packages when node_modules is missing or differs from the lock file.
 * @param {{sqlite: boolean}} needs whether better-sqlite3 (of the coordinator) must work
 * @throws ScriptError
 */
export function ensureNodeModules(needs) {
  return withFileLock(join(cacheDirectory, "node-modules.lock"), async () => {
    if (!isInstalled()) {
      step("Installing npm packages");
      await mustRun("npm", ["ci", "--no-audit", "--no-fund"], { cwd: projectRoot, env: npmEnvironment() });
    }
    if (await loads("better-sqlite3")) return;
    if (needs.sqlite) await buildSqlite();
    else note("better-sqlite3 is not available, so `mesh serve` cannot run here; peers can");
  });
}

/**
 * Whether node_modules holds exactly the locked versions. npm writes what it installed to a lock file of its own;
 * optional packages may be absent from it (another platform, no compiler).
 */
function isInstalled() {
  const wanted = readJson(join(projectRoot, "npm-shrinkwrap.json"));
  const installed = readJson(join(projectRoot, "node_modules/.package-lock.json"));
  if (wanted === undefined) throw new ScriptError("npm-shrinkwrap.json is missing or unreadable");
  if (installed === undefined) return false;
  return Object.entries(wanted.packages).every(([path, entry]) => {
    if (path === "") return true;
    const found = installed.packages[path];
    if (found === undefined) return entry.optional === true;
    return found.version === entry.version && existsSync(join(projectRoot, path));
  });
}

/** better-sqlite3 is an optional dependency: npm drops it when it does not build, and says nothing. */
async function buildSqlite() {
  step("Building better-sqlite3");
  const isThere = existsSync(join(projectRoot, "node_modules/better-sqlite3"));
  // Of a package that was dropped there is nothing to rebuild: install anew.
  const args = isThere ? ["rebuild", "better-sqlite3"] : ["ci", "--no-audit", "--no-fund"];
  const result = await run("npm", [...args, "--foreground-scripts"], { cwd: projectRoot, env: npmEnvironment() });
  if (await loads("better-sqlite3")) return;
  const reasons = `${result.stdout}${result.stderr}`.split("\n").filter((line) => /err|not found/i.test(line));
  throw new ScriptError(
    `better-sqlite3 does not build, and \`mesh serve\` needs it (a compiler, make and python3 must be there):\n` +
      reasons.slice(0, 6).join("\n"),
  );
}

async function loads(name) {
  // A constructor call loads the binary; importing alone does not.
  const script = `new (require(${JSON.stringify(name)}))(":memory:").close()`;
  return (await run(process.execPath, ["-e", script], { cwd: projectRoot })).status === 0;
}

/** The environment for npm: a package that compiles finds Node's headers beside this node, without a download. */
function npmEnvironment() {
  const headers = nodeHeadersPrefix();
  return headers === undefined ? process.env : { ...process.env, npm_config_nodedir: headers };
}

/** `PREFIX` when `PREFIX/bin/node` runs this script and `PREFIX/include/node` holds the headers of the same version. */
function nodeHeadersPrefix() {
  const prefix = dirname(dirname(realpathSync(process.execPath)));
  const header = join(prefix, "include/node/node_version.h");
  if (!existsSync(header)) return undefined;
  const text = readFileSync(header, "utf8");
  const part = (name) => new RegExp(`#define NODE_${name}_VERSION (\\d+)`).exec(text)?.[1];
  const version = ["MAJOR", "MINOR", "PATCH"].map(part).join(".");
  return version === process.versions.node ? prefix : undefined;
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}
