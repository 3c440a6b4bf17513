import type { Command } from "commander";

export function referenceFiles(program: Command): Map<string, string>;
