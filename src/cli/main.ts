#!/usr/bin/env node
import { keepYoungGenerationSmall } from "./running/young-generation.ts";

// Before anything else is loaded: loading is what would make it grow.
keepYoungGenerationSmall();
const { runCli } = await import("./program.ts");
process.exitCode = await runCli(process.argv.slice(2));
