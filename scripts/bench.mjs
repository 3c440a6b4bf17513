#!/usr/bin/env node
// `npm run bench`: measurements, with all the set-up that they need.
//
//   npm run bench                    throughput, packet rate and latency beside other implementations
//   npm run bench -- idle            CPU and memory of tunnels at rest
//   npm run bench -- connect         how quickly two peers come together, by what stands between them
//   npm run bench -- filter          what the packet filter costs, with 1,000 rules and 50,000 connections
//   npm run bench -- dns             how soon a peer's name server answers under load
//   npm run bench -- exit            a stream through an exit, beside one that ends there
//   npm run bench -- coordinator     CPU and memory of a coordinator with many peers, and how soon changes reach them
//   npm run bench -- micro [NAME…]   functions of the packet path and of the cryptography
//   npm run bench -- --help          the options of the first; `connect --help` those of another
import { existsSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { build } from "./build.mjs";
import { runMain, ScriptError, step } from "./lib/console.mjs";
import { mustRun } from "./lib/process.mjs";
import { cacheDirectory, projectRoot } from "./lib/project.mjs";
import { setup } from "./setup.mjs";

const SUITES = { throughput, idle, connect, filter, dns, exit, coordinator, micro };

/** Its programs for lab hosts are run as they are. */
const LAB_SUPPORT = "test/support/lab";

async function throughput(args) {
  const suite = await import("../bench/throughput.mjs");
  if (args.includes("--help") || args.includes("-h")) return suite.throughput(["--help"]);
  await prepareLab();
  return suite.throughput(args);
}

async function idle(args) {
  await prepareLab();
  const suite = await import("../bench/idle.mjs");
  return suite.idle(args);
}

async function connect(args) {
  const suite = await import("../bench/connect.mjs");
  return suite.connect(args, async () => {
    await prepareLab(["test"]);
    const compiled = await compileBench("connect");
    return import(join(compiled, "bench/connect/lab.js"));
  });
}

async function filter(args) {
  await prepareLab();
  const suite = await import("../bench/filter.mjs");
  const status = await suite.filter(args);
  await micro(["filter"]);
  return status;
}

async function dns(args) {
  await prepareLab();
  const suite = await import("../bench/dns.mjs");
  return suite.dns(args);
}

async function exit(args) {
  const suite = await import("../bench/exit.mjs");
  return suite.exit(args, async () => {
    await prepareLab(["test"]);
    return import(join(await compileBench("exit"), "bench/exit/lab.js"));
  });
}

async function coordinator(args) {
  const suite = await import("../bench/coordinator.mjs");
  return suite.coordinator(args, async () => {
    await setup({ for: ["build"] });
    await build();
    return import(join(await compileBench("coordinator"), "bench/coordinator/load.js"));
  });
}

async function prepareLab(furtherPurposes = []) {
  await setup({ for: ["build", "bench", ...furtherPurposes] });
  await build();
  if (process.getuid?.() !== 0) throw new ScriptError("network namespaces need root: run this as root");
}

/** Compiles bench/micro and runs its programs, or those whose names begin with one of `names`. */
async function micro(names) {
  await setup({ for: ["build"] });
  await build();
  const compiled = await compileBench("micro");
  const folder = join(compiled, "bench/micro");
  const isWanted = (file) => names.length === 0 || names.some((name) => file.startsWith(name));
  const programs = readdirSync(folder).filter((file) => file.endsWith(".bench.js") && isWanted(file));
  if (programs.length === 0) throw new ScriptError(`no micro-benchmark is called ${names.join(" or ")}`);
  for (const program of programs) {
    step(program.replace(/\.bench\.js$/, ""));
    await mustRun(process.execPath, [join(folder, program)], { cwd: projectRoot, show: true });
  }
}

/** Compiles the TypeScript of `bench/NAME` and what it imports. @returns the folder, laid out as the project */
async function compileBench(name) {
  step(`Compiling bench/${name}`);
  const tsc = join(projectRoot, "node_modules/typescript/bin/tsc");
  const compiled = join(cacheDirectory, `bench-${name}`);
  rmSync(compiled, { recursive: true, force: true });
  await mustRun(process.execPath, [tsc, "-p", `bench/${name}`, "--outDir", compiled], { cwd: projectRoot });
  // What is not compiled is looked for beside src/.
  for (const folder of ["native", "scripts", "dist"]) symlinkSync(join(projectRoot, folder), join(compiled, folder));
  if (existsSync(join(compiled, LAB_SUPPORT))) {
    const programs = readdirSync(join(projectRoot, LAB_SUPPORT)).filter((file) => file.endsWith(".mjs"));
    for (const file of programs) symlinkSync(join(projectRoot, LAB_SUPPORT, file), join(compiled, LAB_SUPPORT, file));
  }
  return compiled;
}

async function main() {
  const [word, ...rest] = process.argv.slice(2);
  if (word === undefined || word.startsWith("-")) return throughput(process.argv.slice(2));
  const suite = Object.hasOwn(SUITES, word) ? SUITES[word] : undefined;
  if (suite === undefined) throw new ScriptError(`no suite ${word}; there are ${Object.keys(SUITES).join(", ")}`);
  return suite(rest);
}

await runMain(async () => {
  try {
    return await main();
  } catch (error) {
    // What parseArgs says about a flag is meant for people.
    throw error.code?.startsWith("ERR_PARSE_ARGS") ? new ScriptError(error.message) : error;
  }
});
