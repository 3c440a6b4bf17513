import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../../scripts/lib/process.mjs";
import { statusSchema } from "../../src/api/local.ts";
import { softwareVersion } from "../../src/base/version.ts";
import { InstallationSite } from "../support/lab/installation-site.ts";
import type { LabHost } from "../support/lab/lab-host.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";

/** npm asks a registry, which may be slow. */
const INSTALL_TIMEOUT_MS = 180_000;

const COMPILER_COMMANDS = ["cc", "gcc", "clang", "c++", "g++", "make", "python", "python3"];

const PLATFORM = `${process.platform}-${process.arch}`;

/** The package brings a cipher library for some platforms; on others the next provider needs no compiler either. */
const PREBUILT = readdirSync(new URL("../../native/prebuilt", import.meta.url));
const READY_MADE_PROVIDER = PREBUILT.includes(PLATFORM) ? "openssl" : "sodium";

/** What this project puts in the place of old packages that `stun` asks for. */
const OVERRIDDEN = ["ip", "meow", "parse-url"];

const ownPath = process.env.PATH ?? "";

/** A `mesh` that was installed in a test: the file to execute, and the PATH to execute it with. */
interface InstalledMesh {
  readonly file: string;
  readonly path: string;
}

/** The arguments of `env` that run it: by its own `#!` line, as a user's shell does. */
const command = ({ file, path }: InstalledMesh, ...args: string[]) => [`PATH=${path}`, file, ...args];

const manifestOf = (file: string): { name: string; version: string } => JSON.parse(readFileSync(file, "utf8"));

/** The package found from `directory` by this name, and its version: a package of another name may stand in its place. */
function packageAt(directory: string, name: string): string {
  const isThere = (modules: string) => existsSync(join(modules, name, "package.json"));
  const modules = createRequire(join(directory, "package.json")).resolve.paths(name)?.find(isThere);
  const found = manifestOf(join(modules ?? "", name, "package.json"));
  return `${found.name} ${found.version}`;
}

async function printsItsVersion(mesh: InstalledMesh): Promise<void> {
  const { status, stdout, stderr } = await run("env", command(mesh, "version", "--json"));
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(JSON.parse(stdout)).toMatchObject({ version: softwareVersion(), node: process.version });
}

describe("set-up with an empty npm user configuration", () => {
  let site: InstallationSite;
  let network: SmallNetwork;
  let packageFile: string;
  let bare: InstalledMesh;

  beforeAll(async () => {
    site = await InstallationSite.open();
    network = await SmallNetwork.open("full", "bare", "clone");
    packageFile = await site.pack();
  });
  afterAll(async () => {
    await network?.[Symbol.asyncDispose]();
    site?.[Symbol.dispose]();
  });

  async function installPackage(name: string, path: string, env: NodeJS.ProcessEnv = {}): Promise<InstalledMesh> {
    const directory = site.makeDirectory(name);
    await site.npm(directory, ["install", packageFile], { PATH: path, ...env });
    return { file: join(directory, "node_modules/.bin/mesh"), path };
  }

  const homeOf = (host: LabHost) => `${host.scratchDirectory}/peer`;

  /** A peer daemon of this installation runs on the host of this name, with the cipher that came ready-made. */
  async function joins(name: string, mesh: InstalledMesh): Promise<void> {
    const host = network.host(name);
    const { token } = await network.server.createToken();
    const home = ["--home", homeOf(host)];
    const daemon = await host.start("env", command(mesh, ...home, "join", token, "--name", name));
    await daemon.waitForOutput(new RegExp(`running: ${name} in mesh`));
    const status = JSON.parse(await host.must("env", ...command(mesh, ...home, "status", "--json")));
    const { state, dataPlane } = statusSchema.parse(status);
    expect([state, dataPlane?.aeadProvider]).toEqual(["running", READY_MADE_PROVIDER]);
  }

  async function reaches(name: string, mesh: InstalledMesh, other: string): Promise<void> {
    const host = network.host(name);
    await host.must("env", ...command(mesh, "--home", homeOf(host), "ping", other, "-c", "2"));
  }

  const serve = (mesh: InstalledMesh, ...flags: string[]) =>
    run("env", command(mesh, "--home", join(site.directory, "serve"), ...flags, "serve"));

  it("leaves npm without a nodedir, and the bare PATH without a compiler", async () => {
    expect((await site.npm(site.directory, ["config", "get", "nodedir"])).trim()).toBe("undefined");
    const find = (name: string) => run("sh", ["-c", `PATH=${site.barePath}; command -v ${name}`]);
    for (const name of COMPILER_COMMANDS) expect([name, (await find(name)).stdout]).toEqual([name, ""]);
    expect((await find("node")).stdout).toBe(`${join(site.barePath, "node")}\n`);
  });

  it(
    "a peer from the package, with what this machine has",
    async () => {
      const full = await installPackage("full", ownPath);
      await printsItsVersion(full);
      const stun = join(site.directory, "full/node_modules/mesh/node_modules/stun");
      const project = fileURLToPath(new URL("../../node_modules/stun", import.meta.url));
      for (const name of OVERRIDDEN) expect(packageAt(stun, name)).toBe(packageAt(project, name));
      expect(packageAt(stun, "ip")).toMatch(/^neoip /);
      await joins("full", full);
    },
    INSTALL_TIMEOUT_MS,
  );

  it(
    "a peer from the package, without a compiler",
    async () => {
      // Nor a ready-made SQLite, which the package would fetch from another place than the registry.
      bare = await installPackage("bare", site.barePath, { npm_config_build_from_source: "better-sqlite3" });
      await printsItsVersion(bare);
      await joins("bare", bare);
      await reaches("bare", bare, "full");
    },
    INSTALL_TIMEOUT_MS,
  );

  it(
    "`mesh serve` without SQLite says what is missing",
    async () => {
      const inWords = await serve(bare);
      expect(inWords).toMatchObject({ status: 1, stdout: "" });
      expect(inWords.stderr.trim().split("\n")).toEqual([
        "mesh: the package better-sqlite3 is not installed or does not load",
        expect.stringMatching(/^ +Install .*better-sqlite3/),
      ]);
      const { status, stderr } = await serve(bare, "--json");
      expect(status).toBe(1);
      expect(JSON.parse(stderr)).toMatchObject({ error: { code: "store-missing" } });

      // The package is there and its binary is not: as an npm leaves it that runs no install scripts.
      const directory = join(site.directory, "bare");
      await site.npm(directory, ["install", "--ignore-scripts", "better-sqlite3"], { PATH: site.barePath });
      const withoutBinary = await serve(bare, "--json");
      expect(withoutBinary.status).toBe(1);
      expect(JSON.parse(withoutBinary.stderr)).toMatchObject({
        error: { code: "store-missing", message: "better-sqlite3 has no binary for this machine" },
      });
    },
    INSTALL_TIMEOUT_MS,
  );

  it(
    "a peer from a clone, without a compiler",
    async () => {
      const directory = await site.clone("clone");
      const env = { PATH: site.barePath, npm_config_build_from_source: "better-sqlite3" };
      await site.npm(directory, ["run", "setup", "--", "build", "--without-compiler"], env);
      await site.npm(directory, ["run", "build"], env);
      // Neither was compiled: the peer below does with what came ready-made.
      expect(existsSync(join(directory, "node_modules/better-sqlite3"))).toBe(false);
      expect(existsSync(join(directory, `native/build/${PLATFORM}/aead-batch.so`))).toBe(false);
      const mesh = { file: join(directory, "dist/bundle/main.js"), path: site.barePath };
      await printsItsVersion(mesh);
      await joins("clone", mesh);
      await reaches("clone", mesh, "bare");
      await reaches("clone", mesh, "full");
    },
    INSTALL_TIMEOUT_MS,
  );
});
