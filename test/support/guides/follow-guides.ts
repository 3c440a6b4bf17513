import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { afterAll, beforeAll, it } from "vitest";
import { parseGuide } from "./guide.ts";
import { GuideWorld } from "./guide-world.ts";

/**
 * Guides as their reader meets them: one after the other, on the same machines, each command as it stands on the page. What it
 * prints has to be what the page shows.
 */
export function followGuides(names: readonly string[]): void {
  let world: GuideWorld;
  beforeAll(async () => {
    world = await GuideWorld.open();
  });
  afterAll(() => world[Symbol.asyncDispose]());

  let isLost = false;

  it.each(names)("docs/guides/%s.md", { timeout: 120_000 }, async (name) => {
    // Where one could not be followed to its end, the next would begin with another network than it says.
    if (isLost) throw new Error("a guide before this one failed");
    isLost = true;
    const text = readFileSync(resolve(import.meta.dirname, `../../../docs/guides/${name}.md`), "utf8");
    await world.machines.follow(parseGuide(text), world.stage);
    isLost = false;
  });
}
