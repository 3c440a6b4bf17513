import { nameSchema } from "../../api/primitives.ts";
import { MeshError } from "../../base/errors.ts";

const MAX_NAME_CHARACTERS = 63;

/**
 * A peer name made of a host name: its first label, in lower case, with hyphens for what a name cannot hold.
 *
 * @param otherwise the option that gives one
 * @throws MeshError `bad-name` when nothing is left of it
 */
export function peerNameFromHostName(hostName: string, otherwise = "--name"): string {
  const label = hostName.split(".")[0] ?? "";
  const name = label
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, MAX_NAME_CHARACTERS)
    .replace(/^-+|-+$/g, "");
  if (nameSchema.safeParse(name).success) return name;
  throw new MeshError("bad-name", `the host name ${JSON.stringify(hostName)} makes no peer name`, {
    hint: `Give one with ${otherwise}.`,
  });
}
