import { readFileSync } from "node:fs";
import { PACKAGE_ROOT } from "./package-root.ts";

let cached: string | undefined;

/** The version of this package, as `package.json` has it. */
export function softwareVersion(): string {
  if (cached === undefined) {
    const text = readFileSync(new URL("package.json", PACKAGE_ROOT), "utf8");
    const fields: unknown = JSON.parse(text);
    const version = typeof fields === "object" && fields !== null && "version" in fields ? fields.version : undefined;
    if (typeof version !== "string") throw new Error("package.json names no version");
    cached = version;
  }
  return cached;
}
