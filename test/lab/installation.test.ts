import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
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

/** What is in the program's own files, and so must not be fetched. */
const BUNDLED = ["koa", "ssh2", "stun", "zod"];

/** Old packages that `stun` asks for, and what this project puts in their place. */
const OLD = /^(?:ip@|meow@|parse-url@[0-9]\.)/;
const IN_THEIR_PLACE = [/^neoip@3\./, /^parse-url@11\./];

const ownPath = process.env.PATH ?? "";

/** A `mesh` that was installed in a test: the file to execute, and the PATH to execute it with. */
interface InstalledMesh {
  readonly file: string;
  readonly path: string;
}

/** The arguments of `env` that run it: by its own `#!` line, as a user's shell does. */
const command = ({ file, path }: InstalledMesh, ...args: string[]) => [`PATH=${path}`, file, ...args];

async function printsItsVersion(mesh: InstalledMesh): Promise<void> {
  const { status, stdout, stderr } = await run("env", command(mesh, "version", "--json"));
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(JSON.parse(stdout)).toMatchObject({ version: softwareVersion(), node: process.version });
}

describe("set-up with an empty npm user configuration", () => {
  let site: InstallationSite;
  let network: SmallNetwork;
  let packageFile: string;
  let full: InstalledMesh;
  let bare: InstalledMesh;
  let clone: string;

  beforeAll(async () => {
    site = await InstallationSite.open();
    [network, packageFile, clone] = await Promise.all([
      SmallNetwork.open("full", "bare", "clone"),
      site.pack(),
      site.clone("clone"),
    ]);
    // A ready-made SQLite comes from another place than the registry, and headers to compile one from a third.
    const env = { npm_config_build_from_source: "better-sqlite3" };
    const setUp = ["run", "setup", "--", "build", "--without-compiler"];
    [full, bare] = await Promise.all([
      installPackage("full", ownPath),
      installPackage("bare", site.barePath, env),
      site.npm(clone, setUp, { PATH: site.barePath, ...env }),
    ]);
  }, INSTALL_TIMEOUT_MS);
  afterAll(async () => {
    await network?.[Symbol.asyncDispose]();
    site?.[Symbol.dispose]();
  });

  const prefixOf = (name: string) => join(site.directory, name);

  /** As `npm install -g` does it for everybody on a machine, below a prefix of its own. */
  async function installPackage(name: string, path: string, env: NodeJS.ProcessEnv = {}): Promise<InstalledMesh> {
    const args = ["install", "--global", "--prefix", prefixOf(name), packageFile];
    await site.npm(site.directory, args, { PATH: path, ...env });
    return { file: join(prefixOf(name), "bin/mesh"), path };
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

  it("the package has its manual pages where `man` looks, and the licences of what it is made of", async () => {
    const pages = readdirSync(join(prefixOf("bare"), "share/man/man1"));
    expect(pages.sort()).toEqual(readdirSync(new URL("../../man", import.meta.url)).sort());
    const mesh = join(prefixOf("bare"), "lib/node_modules/mesh");
    const fetched = readdirSync(join(mesh, "node_modules"));
    expect(fetched).toContain("koffi");
    expect(fetched.filter((name) => BUNDLED.includes(name))).toEqual([]);
    const licences = readFileSync(join(mesh, "dist/bundle/LICENSES.txt"), "utf8");
    const bundled = [...licences.matchAll(/^(\S+) (\d\S*) \(\S+\)$/gm)].map(
      ([, name, version]) => `${name}@${version}`,
    );
    for (const name of BUNDLED) expect(bundled).toContainEqual(expect.stringMatching(`^${name}@`));
    for (const name of IN_THEIR_PLACE) expect(bundled).toContainEqual(expect.stringMatching(name));
    expect(bundled.filter((name) => OLD.test(name))).toEqual([]);
    const { status, stdout } = await run("env", command(bare, "--help"));
    expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringContaining("Usage: mesh ") });
  });

  it("a peer from the package, with what this machine has", async () => {
    await printsItsVersion(full);
    await joins("full", full);
  });

  it("a peer from the package, without a compiler", async () => {
    await printsItsVersion(bare);
    await joins("bare", bare);
    await reaches("bare", bare, "full");
  });

  it("`mesh serve` without SQLite says what is missing", async () => {
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
    const args = ["install", "--global", "--prefix", prefixOf("bare"), "--ignore-scripts", "better-sqlite3"];
    await site.npm(site.directory, args, { PATH: site.barePath });
    const withoutBinary = await serve(bare, "--json");
    expect(withoutBinary.status).toBe(1);
    expect(JSON.parse(withoutBinary.stderr)).toMatchObject({
      error: { code: "store-missing", message: "better-sqlite3 has no binary for this machine" },
    });
  });

  it("a peer from a clone, without a compiler", async () => {
    await site.npm(clone, ["run", "build"], { PATH: site.barePath });
    // Neither was compiled: the peer below does with what came ready-made.
    expect(existsSync(join(clone, "node_modules/better-sqlite3"))).toBe(false);
    expect(existsSync(join(clone, `native/build/${PLATFORM}/aead-batch.so`))).toBe(false);
    const mesh = { file: join(clone, "dist/bundle/main.js"), path: site.barePath };
    await printsItsVersion(mesh);
    await joins("clone", mesh);
    await reaches("clone", mesh, "bare");
    await reaches("clone", mesh, "full");
  });
});
