import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { meshEntryPoint } from "../../scripts/lib/project.mjs";
import { commandRunner } from "../../src/host/command.ts";

// The shells themselves, each told what a person would have typed.

const run = commandRunner({ timeoutMs: 20_000 });
let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "mesh-completion-"));
  symlinkSync(meshEntryPoint, join(directory, "mesh"));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** What the shell prints of a script in which `mesh` is on its path. */
async function printed(shell: string, ...script: readonly string[]): Promise<string[]> {
  const words = ["env", `PATH=${directory}:${process.env.PATH}`, `MESH_HOME=${directory}`, shell] as const;
  const { status, stdout, stderr } = await run(words[0], [...words.slice(1), "-c", script.join("\n")]);
  expect([status, stderr]).toEqual([0, ""]);
  return stdout.split("\n").filter((line) => line !== "");
}

describe("completion", () => {
  const bash = (words: readonly string[]) =>
    printed(
      "bash",
      "source <(mesh completion bash)",
      `COMP_WORDS=(${words.map((word) => `'${word}'`).join(" ")}) COMP_CWORD=${words.length - 1}`,
      "_mesh",
      `printf '%s\\n' "\${COMPREPLY[@]}"`,
    );

  it("in bash: commands, values after =, files", async () => {
    expect(await bash(["mesh", "pe"])).toEqual(["peers", "peer"]);
    expect(await bash(["mesh", "completion", ""])).toEqual(["bash", "zsh", "fish"]);
    expect(await bash(["mesh", "backup", `${directory}/me`])).toEqual([`${directory}/mesh`]);
  });

  it("in zsh, with what each does", async () => {
    const found = await printed(
      "zsh",
      "compdef() { : }",
      `_describe() { print -l "\${(@P)2}" }`,
      "_files() { print files }",
      "source <(mesh completion zsh)",
      "words=(mesh peer ren) CURRENT=3; _mesh",
      "words=(mesh backup '') CURRENT=3; _mesh",
    );
    expect(found).toEqual(["rename:call a peer something else; it keeps its address and keys", "files"]);
  });

  it("in fish, with what each does", async () => {
    const found = await printed(
      "fish",
      "mesh completion fish | source",
      "complete --do-complete 'mesh peer ren'",
      `complete --do-complete 'mesh backup ${directory}/me'`,
    );
    expect(found).toEqual(["rename\tcall a peer something else; it keeps its address and keys", `${directory}/mesh`]);
  });
});
