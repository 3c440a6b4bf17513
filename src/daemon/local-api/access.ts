import { MeshError } from "../../base/errors.ts";
import { groupId } from "../../host/ffi/group-id.ts";
import type { PeerCredentials } from "../../host/ffi/peer-credentials.ts";

/**
 * Who may use a route: everybody on this host, members of the group that the settings name (`local_group`), or root and the
 * daemon's own user alone. Each of them may also use what those before it may. `docs/local-api.md` says what goes where, and
 * `docs/decisions/029-who-may-ask-the-daemon.md` why.
 */
export type Access = "everybody" | "group" | "owner";

const RANK = { everybody: 0, group: 1, owner: 2 } as const satisfies Record<Access, number>;

/** Root and the user as whom the daemon runs. */
export function isOwner({ uid }: PeerCredentials): boolean {
  return uid === 0 || uid === process.geteuid?.();
}

/** @param group that the settings name, or null @throws MeshError `not-permitted` */
export function authorize(caller: PeerCredentials, access: Access, group: string | null): void {
  if (RANK[accessOf(caller, group)] >= RANK[access]) return;
  const isForGroup = access === "group" && group !== null;
  throw new MeshError(
    "not-permitted",
    `this is for root and the daemon's own user${isForGroup ? `, and for members of the group ${group}` : ""}`,
    isForGroup
      ? { hint: `Run the command as one of them; root adds users to a group by \`usermod -aG ${group} USER\`.` }
      : {},
  );
}

function accessOf(caller: PeerCredentials, group: string | null): Access {
  if (isOwner(caller)) return "owner";
  const gid = group === null ? undefined : groupId(group);
  return gid !== undefined && caller.gids.includes(gid) ? "group" : "everybody";
}
