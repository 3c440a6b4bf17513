import type { Command } from "commander";
import { MeshError } from "../../base/errors.ts";
import { globalOptions } from "../globals.ts";
import { printJson, printLine } from "../output.ts";

export function registerPeer(program: Command): void {
  const peer = program.command("peer").description("manage the peers of the network (on the coordinator's host)");
  peer
    .command("override-endpoint <name> [endpoint]")
    .description("have the others try the peer at this HOST:PORT first; names are resolved by whoever dials")
    .option("--unset", "drop it: the peer is where it says itself")
    .action(async (name: string, text: string | undefined, { unset }: { unset?: boolean }, command: Command) => {
      if ((text === undefined) !== (unset === true))
        throw new MeshError("bad-usage", "give either HOST:PORT or --unset");
      const options = globalOptions(command);
      const endpoint = text === undefined ? null : await parseHostPort(text);
      const { AdminClient } = await import("../admin-client.ts");
      const changed = await (await AdminClient.open(options)).overrideEndpoint(name, endpoint);
      if (options.json) printJson(changed);
      else printLine(`${changed.name} is tried ${endpoint === null ? "where it says itself" : `at ${endpoint} first`}`);
    });
}

/** @throws MeshError `bad-endpoint` */
async function parseHostPort(text: string): Promise<string> {
  const { hostPortSchema } = await import("../../api/primitives.ts");
  const parsed = hostPortSchema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new MeshError(
    "bad-endpoint",
    `${JSON.stringify(text.slice(0, 100))} is not ${parsed.error.issues[0]?.message}`,
  );
}
