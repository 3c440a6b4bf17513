import { LineCounter, parseDocument } from "yaml";
import type { z } from "zod";
import { MeshError } from "../base/errors.ts";

const CONFIG_MAX_BYTES = 1024 * 1024;

/** What is wrong with a configuration file; lines count from 1. */
export interface ConfigFault {
  readonly line: number;
  readonly message: string;
}

export type CheckedConfig<Value> =
  | { readonly value: Value }
  /** In the order of their lines. */
  | { readonly faults: readonly [ConfigFault, ...ConfigFault[]] };

/**
 * Checks the text of the YAML file `path` against `schema`.
 * @throws MeshError `bad-config` with every fault as `FILE:LINE: what`, unknown keys among them
 */
export function parseYamlConfig<Schema extends z.ZodType>(
  text: string,
  path: string,
  schema: Schema,
): z.output<Schema> {
  const checked = checkYamlConfig(text, schema);
  if ("value" in checked) return checked.value;
  throw configError(path, checked.faults);
}

export function configError(path: string, faults: readonly ConfigFault[]): MeshError {
  return new MeshError("bad-config", faults.map(({ line, message }) => `${path}:${line}: ${message}`).join("\n"));
}

/** All faults of syntax, or else all that `schema` finds, unknown keys among them. */
export function checkYamlConfig<Schema extends z.ZodType>(
  text: string,
  schema: Schema,
): CheckedConfig<z.output<Schema>> {
  if (text.length > CONFIG_MAX_BYTES) return { faults: [{ line: 1, message: "the file is larger than 1 MiB" }] };
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, version: "1.2", strict: true, uniqueKeys: true });
  const [first, ...more] = document.errors.map(({ message, pos }) => ({
    line: lines.linePos(pos[0]).line,
    message: message.split(" at line ")[0] ?? message,
  }));
  if (first !== undefined) return { faults: [first, ...more] };
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch (cause) {
    return { faults: [{ line: 1, message: cause instanceof Error ? cause.message : String(cause) }] };
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return { value: parsed.data };

  const lineOf = (keys: readonly PropertyKey[]): number => {
    for (let length = keys.length; length > 0; length--) {
      const offset = keyOffset(document, keys.slice(0, length));
      if (offset !== undefined) return lines.linePos(offset).line;
    }
    return 1;
  };
  const faults = parsed.error.issues
    .flatMap(mostTelling)
    .flatMap((issue) =>
      issue.code === "unrecognized_keys"
        ? issue.keys.map((key) => ({ line: lineOf([...issue.path, key]), message: `unknown key "${key}"` }))
        : [{ line: lineOf(issue.path), message: `${issue.path.join(".") || "file"}: ${issue.message}` }],
    )
    .sort((a, b) => a.line - b.line);
  // A schema that refuses says why.
  return { faults: faults as [ConfigFault, ...ConfigFault[]] };
}

/** Of a choice between shapes none of which fits: what is wrong with the one that was clearly meant. */
function mostTelling(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== "invalid_union") return [issue];
  const meant = issue.errors.find((branch) =>
    branch.every(({ code, path }) => code !== "invalid_type" || path.length > 0),
  );
  const inner = meant?.filter(({ code, path }) => code === "unrecognized_keys" || path.length > 0) ?? [];
  if (inner.length === 0) return [issue];
  return inner.map((nested) => ({ ...nested, path: [...issue.path, ...nested.path] }));
}

/** Where the key (or list item) at the end of `keys` begins in the text. */
function keyOffset(document: ReturnType<typeof parseDocument>, keys: readonly PropertyKey[]): number | undefined {
  const last = keys.at(-1);
  const parent = keys.length === 1 ? document.contents : document.getIn(keys.slice(0, -1), true);
  if (parent === null || typeof parent !== "object" || !("items" in parent) || !Array.isArray(parent.items)) {
    return undefined;
  }
  for (const [index, item] of parent.items.entries()) {
    if (item?.key !== undefined && item.key?.value === last) return item.key.range?.[0];
    if (item?.key === undefined && index === last) return item?.range?.[0];
  }
  return undefined;
}
