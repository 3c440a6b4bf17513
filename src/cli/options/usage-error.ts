import type { CommanderError } from "commander";
import { MeshError } from "../../base/errors.ts";

/** What commander refuses is wrong usage, but for `--help` and `--version`, which it reports in the same way. */
export function usageError(thrown: CommanderError): MeshError | undefined {
  if (thrown.exitCode === 0) return undefined;
  if (thrown.code === "commander.help") return new MeshError("bad-usage", "a command is missing");
  const message = thrown.message.replace(/^error: /, "").replaceAll("\n", " ");
  return new MeshError("bad-usage", message);
}
