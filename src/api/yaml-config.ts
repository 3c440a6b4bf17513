import { readFile } from "node:fs/promises";
import type { z } from "zod";
import { errnoOf, MeshError } from "../base/errors.ts";

/**
 * Reads a YAML configuration file and checks it against `schema`.
 * @throws MeshError `bad-config` with every fault as `FILE:LINE: what`, unknown keys among them; `not-found`
 */
export async function loadYamlConfig<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
): Promise<z.output<Schema>> {
  const text = await readConfig(path);
  // A daemon without a configuration file never carries the parser, some megabytes of it.
  const { parseYamlConfig } = await import("./parse-yaml-config.ts");
  return parseYamlConfig(text, path, schema);
}

/** @throws MeshError `not-found`, `bad-config` for what cannot be read */
export async function readConfig(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT") throw new MeshError("not-found", `there is no file ${path}`, { cause });
    throw new MeshError("bad-config", `cannot read ${path}: ${errnoOf(cause) ?? cause}`, { cause });
  }
}
