import { writtenExitNodesSchema } from "../../api/exit-node.ts";
import { MeshError } from "../../base/errors.ts";

/** Exits to use: names of peers, or `tag:T`, with commas between them; `off` is none. @throws MeshError `bad-usage` */
export function parseExitNodes(text: string, flag: string): string[] {
  const nodes = writtenExitNodesSchema.safeParse(text);
  if (nodes.success) return nodes.data;
  throw new MeshError("bad-usage", `${flag}: ${JSON.stringify(text)} names no exits`, {
    hint: "Give the names of up to 16 peers with commas between them, tag:T, or off.",
  });
}
