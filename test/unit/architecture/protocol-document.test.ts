import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { coordinatorMessageSchema } from "../../../src/api/control-channel.ts";
import { mapPeerSchema, networkMapSchema } from "../../../src/api/network-map.ts";
import { relayMessageSchema } from "../../../src/api/relay.ts";

const page = readFileSync(resolve(import.meta.dirname, "../../../docs/protocol.md"), "utf8");

/** The names in the first column of the tables between two places of the page. */
function fieldsBetween(from: string, to: string): string[] {
  const text = page.slice(page.indexOf(from), page.indexOf(to));
  const cells = [...text.matchAll(/^\| (`[^|]*`) \|/gm)].map(([, cell]) => cell!);
  return cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name!)).sort();
}

describe("docs/protocol.md", () => {
  it("names the fields of a map, and of a peer in it", () => {
    expect(fieldsBetween("### The map", "Of each peer:")).toEqual(Object.keys(networkMapSchema.shape).sort());
    expect(fieldsBetween("Of each peer:", "A delta has")).toEqual(Object.keys(mapPeerSchema.shape).sort());
  });

  it.each([
    ["## Control channel", "### The map", coordinatorMessageSchema],
    ["## Between peer and relay", "## Through an HTTP proxy", relayMessageSchema],
  ] as const)("%s: names every message of that side", (from, to, schema) => {
    const text = page.slice(page.indexOf(from), page.indexOf(to));
    const types = schema.options.map(({ shape }) => shape.type.value);
    expect(types.filter((type) => !new RegExp(`\\b${type}\\b`).test(text))).toEqual([]);
  });
});
