import { resolve } from "node:path";
import { parse as parseYaml, stringify } from "yaml";
import { MeshError } from "../../base/errors.ts";

/** Of these, one word or several with commas are a list as well. */
const LISTS = new Set(["transports", "advertise_routes", "ssh_port"]);
/** Files that the daemon has to find from wherever it runs. */
const JUMP_FILES = new Set(["identity", "known_hosts"]);

/** `KEY=VALUE` words; a value is written as in peer.yaml, and none at all stands for the default. @throws MeshError `bad-usage` */
export function parseSettingWords(words: readonly string[]): Record<string, unknown> {
  const settings = new Map<string, unknown>();
  for (const word of words) {
    const [, key, text] = /^([a-z_]+)=(.*)$/s.exec(word) ?? [];
    if (key === undefined || text === undefined) {
      throw new MeshError("bad-usage", `${JSON.stringify(word)} is no KEY=VALUE`, { hint: "Such as mtu=1380." });
    }
    if (settings.has(key)) throw new MeshError("bad-usage", `${key} is given twice`);
    settings.set(key, settingValue(key, text));
  }
  return Object.fromEntries(settings);
}

function settingValue(key: string, text: string): unknown {
  const value = parseValue(key, text);
  if (LISTS.has(key) && typeof value === "string" && value !== "off") {
    return value.split(",").map((part) => parseValue(key, part.trim()));
  }
  if (key !== "ssh" || typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, file]) => [
      name,
      JUMP_FILES.has(name) && typeof file === "string" ? resolve(file) : file,
    ]),
  );
}

function parseValue(key: string, text: string): unknown {
  try {
    return parseYaml(text);
  } catch (cause) {
    throw new MeshError("bad-usage", `${key}: ${JSON.stringify(text)} is no value of YAML`, { cause });
  }
}

/** As `parseSettingWords` takes it, on one line. */
export function settingText(value: unknown): string {
  if (typeof value === "string") return value;
  return stringify(value, { collectionStyle: "flow", lineWidth: 0 }).trim();
}
