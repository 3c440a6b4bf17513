import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parseGuide } from "../support/guides/guide.ts";
import { GuideWorld } from "../support/guides/guide-world.ts";

// README as a new user reads it: each command that it shows is typed, as it stands there, on machines that know nothing yet.

let world: GuideWorld;
beforeAll(async () => {
  world = await GuideWorld.open();
});
afterAll(() => world[Symbol.asyncDispose]());

it("two hosts and a server have a network, by nothing but what README shows", { timeout: 120_000 }, async () => {
  const steps = parseGuide(readFileSync(resolve(import.meta.dirname, "../../README.md"), "utf8"));
  expect(steps.filter(({ kind }) => kind === "command").length).toBeGreaterThan(5);
  // Nothing happens behind the reader's back.
  expect(steps.filter(({ kind }) => kind !== "command")).toEqual([]);
  await world.machines.follow(steps);
});
