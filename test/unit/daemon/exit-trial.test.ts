import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ExitTrials } from "../../../src/daemon/exit/exit-trial.ts";
import { NetworkState } from "../../../src/daemon/networks/network-state.ts";

const choice = (...exitNodes: string[]) => ({ exitNodes, exitAllowLan: false });

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "mesh-trial-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe("an exit on trial, found by the next start", () => {
  /** What that start takes for the end of the trial, by the exits that are set then. */
  async function found(...exitNodes: string[]): Promise<string | null> {
    const file = new NetworkState(directory).exitTrial;
    using trials = await ExitTrials.open(file, exitNodes, () => {});
    expect(await file.read()).toEqual(trials.confirmBy === null ? undefined : expect.anything());
    return trials.confirmBy;
  }

  it("is one while its exit is set, or still that of a trial before", async () => {
    using trials = await ExitTrials.open(new NetworkState(directory).exitTrial, ["bob"], () => {});
    await trials.begin(choice("carol"), choice("bob"), 60_000);
    expect(await found("carol")).toBe(trials.confirmBy);
    await trials.begin(choice("dave"), choice("carol"), 60_000);
    expect(await found("carol")).toBe(trials.confirmBy);
    expect(await found("dave")).toBe(trials.confirmBy);
  });

  it("is none where another command has set other exits, and was killed before it could end the trial", async () => {
    using trials = await ExitTrials.open(new NetworkState(directory).exitTrial, [], () => {});
    await trials.begin(choice("bob"), choice(), 60_000);
    expect(await found("erin")).toBeNull();
  });
});
