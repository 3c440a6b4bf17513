import type { SettingsReply, SettingView } from "../../api/local-settings.ts";
import { settingText } from "../options/setting-words.ts";
import { renderTable } from "./table.ts";

const SOURCES: Readonly<Record<SettingView["source"], string>> = {
  default: "default",
  configuration: "flags or file",
  command: "command",
};

export function renderSettings(settings: readonly SettingView[]): string {
  return renderTable(
    [
      { title: "KEY", cell: ({ key }) => key },
      { title: "VALUE", cell: ({ value }) => settingText(value) },
      { title: "FROM", cell: ({ source }) => SOURCES[source] },
    ],
    settings,
  );
}

export function renderChange({ changed, rebuilt, settings }: SettingsReply): string {
  if (changed.length === 0) return "nothing has changed";
  const lines = settings
    .filter(({ key }) => changed.includes(key))
    .map(({ key, value }) => `${key} is ${settingText(value)}`);
  return [...lines, ...(rebuilt ? ["the tunnel was built anew for that"] : [])].join("\n");
}
