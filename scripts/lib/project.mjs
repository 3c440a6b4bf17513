import { fileURLToPath } from "node:url";

/** Absolute path of the repository, without a trailing slash. */
export const projectRoot = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** Scratch space of the scripts (stamps, locks); ignored by git, safe to delete. */
export const cacheDirectory = `${projectRoot}/.cache`;

/** The command under development, as `node` runs it. */
export const meshEntryPoint = `${projectRoot}/dist/bundle/main.js`;

export const oldestNode = "20.19.0";
