import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { CommandResult } from "../../../src/host/command.ts";
import type { LabHost } from "./lab-host.ts";
import type { LabProcess } from "./lab-process.ts";

const entryPoint = fileURLToPath(new URL("../../../dist/bundle/main.js", import.meta.url));

function meshArgs(home: string, args: readonly string[]): string[] {
  if (!existsSync(entryPoint))
    throw new Error("dist/ is missing: `npm run build` first (`npm test` does it by itself)");
  return [entryPoint, "--home", home, ...args];
}

/** Runs `mesh …` on a host to its end. */
export function runMesh(host: LabHost, home: string, ...args: string[]): Promise<CommandResult> {
  return host.run(process.execPath, ...meshArgs(home, args));
}

/** Runs `mesh … --json` on a host, which must succeed. @returns what it printed, parsed */
export async function meshJson(host: LabHost, home: string, ...args: string[]): Promise<unknown> {
  return JSON.parse(await host.must(process.execPath, ...meshArgs(home, [...args, "--json"])));
}

/** Starts a `mesh …` that stays in the foreground. */
export function startMesh(
  host: LabHost,
  home: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  wrapper: readonly string[] = [],
): Promise<LabProcess> {
  const [program = process.execPath, ...rest] = [...wrapper, process.execPath, ...meshArgs(home, args)];
  return host.start(program, rest, { env: { ...process.env, ...env } });
}
