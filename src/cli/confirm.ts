import { MeshError } from "../base/errors.ts";

/** @param loss what is lost, for who cannot be asked. @throws MeshError `bad-usage` where it is not wanted */
export async function confirm(question: string, loss: string): Promise<void> {
  if (!process.stdin.isTTY) {
    throw new MeshError("bad-usage", loss, { hint: "Add --yes to do it without being asked." });
  }
  const { createInterface } = await import("node:readline/promises");
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = (await prompt.question(`${question} [y/N] `)).trim().toLowerCase();
    if (answer !== "y" && answer !== "yes") throw new MeshError("bad-usage", "nothing was done");
  } finally {
    prompt.close();
  }
}
