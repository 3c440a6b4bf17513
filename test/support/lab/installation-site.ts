import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findCommand, mustRun } from "../../../scripts/lib/process.mjs";

const projectRoot = fileURLToPath(new URL("../../..", import.meta.url));

/** All that set-up, build and a peer may call where there is no compiler; Node comes on top. */
const BARE_COMMANDS = ["npm", "sh", "ip"];

/** What of this process's environment would say more to npm, git or node-gyp than a fresh login shell does. */
const NOT_INHERITED = /^(npm_.*|GIT_.*|VITEST.*|NODE_(ENV|OPTIONS|PATH)|CC|CXX|PYTHON)$/i;

/** The way to the registry; a machine may have it in the very user configuration that is left out here. */
const REGISTRY_SETTINGS = ["registry", "cafile", "proxy", "https-proxy", "noproxy", "cache"];

const NPM_TIMEOUT_MS = 150_000;

/** A scratch directory in which the project is installed anew, by an npm whose user configuration is empty. */
export class InstallationSite implements Disposable {
  readonly directory: string;
  /** A PATH on which there is no compiler, no make, no python and no package manager but npm. */
  readonly barePath: string;
  readonly #environment: NodeJS.ProcessEnv;

  private constructor(directory: string, barePath: string, environment: NodeJS.ProcessEnv) {
    this.directory = directory;
    this.barePath = barePath;
    this.#environment = environment;
  }

  static async open(): Promise<InstallationSite> {
    const directory = mkdtempSync(join(tmpdir(), "mesh-installation-"));
    try {
      const userConfig = join(directory, "empty-npmrc");
      writeFileSync(userConfig, "");
      const inherited = Object.entries(process.env).filter(([name]) => !NOT_INHERITED.test(name));
      const environment = {
        ...Object.fromEntries(inherited),
        ...(await registrySettings(directory)),
        npm_config_userconfig: userConfig,
        npm_config_prefer_offline: "true",
        npm_config_update_notifier: "false",
      };
      return new InstallationSite(directory, makeBarePath(join(directory, "bare-path")), environment);
    } catch (failure) {
      rmSync(directory, { recursive: true, force: true });
      throw failure;
    }
  }

  /** Makes an empty directory here. */
  makeDirectory(name: string): string {
    const path = join(this.directory, name);
    mkdirSync(path);
    return path;
  }

  /** Runs npm to its end, which must be a good one. @returns what it printed on stdout */
  async npm(cwd: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
    const options = { cwd, env: { ...this.#environment, ...env }, timeoutMs: NPM_TIMEOUT_MS };
    return (await mustRun("npm", args, options)).stdout;
  }

  /** @returns the path of the package that `npm pack` makes of the built project */
  async pack(): Promise<string> {
    const said = await this.npm(projectRoot, ["pack", "--silent", "--pack-destination", this.directory]);
    return join(this.directory, said.trim().split("\n").at(-1) ?? "");
  }

  /**
   * What a clone would hold once the working tree is committed. A repository of its own lists the files, so it is the
   * same in a clone, in a work tree of another user and in an unpacked archive.
   * @returns the path of the copy
   */
  async clone(name: string): Promise<string> {
    const copy = this.makeDirectory(name);
    const lister = join(this.directory, `${name}.git`);
    const git = (...args: string[]) => mustRun("git", args, { cwd: projectRoot, env: this.#environment });
    await git("init", "--quiet", "--bare", lister);
    const list = ["ls-files", "--others", "--exclude-standard", "-z"];
    const { stdout } = await git(`--git-dir=${lister}`, `--work-tree=${projectRoot}`, ...list);
    for (const path of stdout.split("\0").filter((each) => each !== "")) {
      // Another test may have removed a file of its own since the listing.
      if (existsSync(join(projectRoot, path))) cpSync(join(projectRoot, path), join(copy, path));
    }
    return copy;
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

function makeBarePath(directory: string): string {
  mkdirSync(directory);
  symlinkSync(process.execPath, join(directory, "node"));
  for (const command of BARE_COMMANDS) {
    const found = findCommand(command);
    if (found === undefined) throw new Error(`there is no ${command} on the PATH`);
    symlinkSync(found, join(directory, command));
  }
  return directory;
}

/** As environment variables, which go before every configuration file. */
async function registrySettings(cwd: string): Promise<NodeJS.ProcessEnv> {
  const { stdout } = await mustRun("npm", ["config", "list", "--long", "--json"], { cwd });
  const settings: Record<string, unknown> = JSON.parse(stdout);
  const variables: NodeJS.ProcessEnv = {};
  for (const name of REGISTRY_SETTINGS) {
    const value = settings[name];
    if (typeof value === "string" && value !== "") variables[`npm_config_${name.replaceAll("-", "_")}`] = value;
  }
  return variables;
}
