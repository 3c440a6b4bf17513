import { z } from "zod";
import { nameSchema } from "./primitives.ts";

const TAG_PREFIX = "tag:";

/** An exit to use: a peer by its name, or `tag:T`, every peer with that tag in the order of their names. */
const exitNodeSchema = z
  .string()
  .refine((text) => nameSchema.safeParse(text.startsWith(TAG_PREFIX) ? text.slice(TAG_PREFIX.length) : text).success, {
    message: "the name of a peer, or tag:T",
  });

const MAX_EXIT_NODES = 16;

/** The exits to use, in the order in which they are tried; none: no exit. */
export const exitNodesSchema = z.array(exitNodeSchema).max(MAX_EXIT_NODES);

/** As it is written: one, several with commas, or `off`. */
export const writtenExitNodesSchema = z
  .union([
    z.string().transform((text) => (text === "off" ? [] : text.split(",").map((part) => part.trim()))),
    z.array(z.string()),
  ])
  .pipe(exitNodesSchema);

/** The tag that is meant, if one is. */
export function tagOf(node: string): string | undefined {
  return node.startsWith(TAG_PREFIX) ? node.slice(TAG_PREFIX.length) : undefined;
}
