import type { Command } from "commander";
import { MeshError } from "../../base/errors.ts";
import { transportsInWords } from "../../base/transports.ts";
import { collect } from "../options/option-parsers.ts";
import { peerGlobals } from "../options/peer-globals.ts";
import { printJson, printLine } from "../output.ts";

interface PreferFlags {
  readonly exclude?: string[];
  readonly only?: string[];
  readonly unset?: boolean;
}

export function registerPrefer(program: Command): void {
  program
    .command("prefer [peer] [transport]")
    .description(
      `prefer ${transportsInWords("or")} for a peer, or (auto) none before the others; the whole of what is asked for ` +
        "it is given at once, and kept over restarts; without a peer: list what is asked",
    )
    .option("--exclude <transports>", "never use these for the peer; names with commas, may be repeated", collect)
    .option("--only <transports>", "use none but these for the peer", collect)
    .option("--unset", "drop what was asked here: the configuration file's word is valid again")
    .action(async (peer: string | undefined, word: string | undefined, flags: PreferFlags, command: Command) => {
      const { parsePreference } = await import("../options/preference-options.ts");
      const { renderPreference, renderPreferences } = await import("../views/preference-view.ts");
      const asked = parsePreference(word, flags);
      const options = await peerGlobals(command);
      const { localClient } = await import("../clients/local-client.ts");
      const client = localClient(options);
      if (peer === undefined) {
        if (asked !== undefined) throw new MeshError("bad-usage", "say for which peer", { hint: "See `mesh peers`." });
        const all = await client.preferences();
        if (options.json) printJson(all);
        else printLine(renderPreferences(all));
        return;
      }
      if (asked === undefined) {
        throw new MeshError("bad-usage", `say what to prefer for ${peer}`, {
          hint: `${transportsInWords("or", "auto")}; or --only, --exclude, --unset.`,
        });
      }
      const reply = await client.prefer({ peer, preference: asked === "unset" ? null : asked });
      if (options.json) printJson(reply);
      else printLine(`${reply.peer}: ${renderPreference(reply.preference)}`);
    });
}
