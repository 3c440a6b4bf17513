import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { coordinator } from "../../bench/coordinator.mjs";

/** `npm run bench -- coordinator`, as small as it still shows something: with its bounds on CPU, memory and delay. */
it("a coordinator with 200 peers tells each change to all whom it concerns, by deltas", {
  timeout: 300_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), "mesh-soak-"));
  try {
    const file = join(folder, "record.json");
    const options = ["--peers", "200", "--cidrs", "10", "--minutes", "0.1", "--json", file];
    expect(await coordinator(options, () => import("../../bench/coordinator/load.ts"))).toBe(0);
    const { runs } = JSON.parse(await readFile(file, "utf8"));
    for (const { messages, rounds } of runs) {
      expect(messages).not.toHaveProperty("map");
      for (const { types, affected } of rounds.flat()) expect(types).toEqual({ delta: affected });
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
