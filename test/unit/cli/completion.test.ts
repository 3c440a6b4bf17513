import { describe, expect, it } from "vitest";
import { complete } from "../../../src/cli/completion/candidates.ts";
import { buildProgram } from "../../../src/cli/program.ts";

const program = buildProgram({ status: 0 });
const NAMES: Record<string, string[]> = {
  peer: ["alice", "bob"],
  transport: ["udp", "ssh"],
  network: ["home", "work"],
};

async function completed(line: string) {
  return complete(program, line.split(" "), async (placeholder) => NAMES[placeholder] ?? []);
}
const valuesOf = async (line: string) => (await completed(line)).candidates.map(({ value }) => value);

describe("completion of a command line", () => {
  it.each([
    ["a command", "stat", ["status"]],
    ["commands of one beginning", "pe", ["peers", "peer"]],
    ["a command below another", "peer re", ["rename"]],
    ["a flag", "ping --unt", ["--until-direct"]],
    ["a flag of all commands", "ping --js", ["--json"]],
    ["after flags and their values", "--home /x --json peer ren", ["rename"]],
    ["a peer", "ping ", ["alice", "bob"]],
    ["a peer, begun", "ping b", ["bob"]],
    ["nothing after all arguments", "ping bob ", []],
    ["the second argument", "prefer bob ", ["udp", "ssh"]],
    ["words that stand for themselves", "peer set-admin bob o", ["on", "off"]],
    ["a network of this machine", "context use ", ["home", "work"]],
    ["a network, as every command takes it", "--network w", ["work"]],
    ["choices", "completion ", ["bash", "zsh", "fish"]],
    ["the value of a flag", "filter add --source-peer a", ["alice"]],
    ["the value of a flag, with =", "filter add --source-peer=a", ["--source-peer=alice"]],
    ["the same as bash cuts it", "filter add --source-peer = a", ["--source-peer=alice"]],
    ["nothing of a command that there is not", "frobnicate --x", []],
    ["nothing hidden", "__c", []],
  ])("%s: mesh %s", async (_what, line, wanted) => {
    expect(await valuesOf(line)).toEqual(wanted);
  });

  it("says what a command does", async () => {
    expect((await completed("netc")).candidates).toEqual([
      { value: "netcheck", description: expect.stringContaining("measure what this network lets through") },
    ]);
  });

  it("leaves files to the shell where one is wanted", async () => {
    expect((await completed("backup ")).takesFiles).toBe(true);
    expect((await completed("serve --config ")).takesFiles).toBe(true);
    expect((await completed("ping ")).takesFiles).toBe(false);
  });
});
