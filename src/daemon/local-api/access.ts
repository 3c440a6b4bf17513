/**
 * Who may use a route: everybody on this host, members of the group that the settings name (`local_group`), or root and the
 * daemon's own user alone. Each of them may also use what those before it may. `docs/local-api.md` says what goes where, and
 * why.
 */
export type Access = "everybody" | "group" | "owner";
