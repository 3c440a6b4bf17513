import type { Command } from "commander";
import { peerGlobals } from "../options/peer-globals.ts";
import { printJson, printLine } from "../output.ts";

export function registerSettings(program: Command): void {
  program
    .command("get [keys...]")
    .description("show how the daemon runs: settings by their names in peer.yaml, and where each comes from")
    .action(async (keys: string[], _flags: object, command: Command) => {
      const options = await peerGlobals(command);
      const { requireSettingKeys } = await import("../../daemon/settings/written-settings.ts");
      const wanted: readonly string[] = requireSettingKeys(keys);
      const { getSettings } = await import("../local-settings.ts");
      const { settings } = await getSettings(options);
      const { renderSettings } = await import("../views/settings-view.ts");
      const shown = wanted.length === 0 ? settings : settings.filter(({ key }) => wanted.includes(key));
      if (options.json) printJson(shown);
      else printLine(renderSettings(shown));
    });

  program
    .command("set <settings...>")
    .description(
      "change how the daemon runs, now and from now on: KEY=VALUE as in peer.yaml, several at once all or none; KEY= goes back to the default",
    )
    .action(async (words: string[], _flags: object, command: Command) => {
      const options = await peerGlobals(command);
      const { parseSettingWords } = await import("../options/setting-words.ts");
      const { setSettings } = await import("../local-settings.ts");
      const reply = await setSettings(options, parseSettingWords(words));
      const { renderChange } = await import("../views/settings-view.ts");
      if (options.json) printJson(reply);
      else printLine(renderChange(reply));
    });
}
