import { expect, it } from "vitest";
import { Nft } from "../../../src/host/nft.ts";

it("knows whether a table is as it was put", async () => {
  let listed: string | undefined = "table inet ours { a }";
  const nft = new Nft(async (_, args) => {
    if (!args.includes("list") || listed !== undefined) return { status: 0, stdout: listed ?? "", stderr: "" };
    return { status: 1, stdout: "", stderr: "Error: No such file or directory" };
  });
  // What a predecessor put is not known.
  expect(await nft.isAsPut("inet", "ours")).toBe(false);
  await nft.putTable("inet", "ours", "a");
  expect(await nft.isAsPut("inet", "ours")).toBe(true);
  listed = "table inet ours { }";
  expect(await nft.isAsPut("inet", "ours")).toBe(false);
  listed = undefined;
  expect(await nft.isAsPut("inet", "ours")).toBe(false);
  // Flushed before it could be looked at.
  await nft.putTable("inet", "ours", "a");
  expect(await nft.isAsPut("inet", "ours")).toBe(false);
});
