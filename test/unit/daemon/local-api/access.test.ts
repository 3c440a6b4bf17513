import { describe, expect, it } from "vitest";
import { type Access, authorize, isOwner } from "../../../../src/daemon/local-api/access.ts";
import { ROUTES } from "../../../../src/daemon/local-api/routes.ts";

const ACCESSES = ["everybody", "group", "owner"] as const satisfies readonly Access[];
/** Of group 0, which every host has under the name of root. */
const MEMBER = { uid: 4_000_001, gids: [4_000_001, 5, 0] };
const STRANGER = { uid: 4_000_001, gids: [4_000_001, 5] };
const ROOT = { uid: 0, gids: [4_000_001] };
const OWNER = { uid: process.getuid?.() ?? 0, gids: [] };

const allowed = (caller: typeof MEMBER, group: string | null) =>
  ACCESSES.filter((access) => {
    try {
      authorize(caller, access, group);
      return true;
    } catch (refusal) {
      expect(refusal).toMatchObject({ code: "not-permitted", exitStatus: 4 });
      return false;
    }
  });

describe("who may use the local API", () => {
  it.each([
    ["root", ROOT, null, ACCESSES],
    ["the daemon's own user", OWNER, "root", ACCESSES],
    ["a member of the group", MEMBER, "root", ["everybody", "group"]],
    ["who would be a member, were the group named", MEMBER, null, ["everybody"]],
    ["who is in other groups", STRANGER, "root", ["everybody"]],
    ["a member of a group that is gone", MEMBER, "no-such-group", ["everybody"]],
  ] as const)("%s", (_who, caller, group, expected) => {
    expect(allowed({ ...caller, gids: [...caller.gids] }, group)).toEqual(expected);
  });

  it("takes nobody for the owner but root and the user as whom it runs", () => {
    expect([ROOT, OWNER, MEMBER, STRANGER].map(isOwner)).toEqual([true, true, false, false]);
  });

  it("tells members of which group may, where there is one", () => {
    expect(() => authorize(STRANGER, "group", "root")).toThrow(/members of the group root/);
    expect(() => authorize(STRANGER, "owner", "root")).toThrow(/^this is for root and the daemon's own user$/);
    expect(() => authorize(STRANGER, "group", null)).toThrow(/^this is for root and the daemon's own user$/);
  });

  it("lets everybody look, and change nothing", () => {
    const open = Object.entries(ROUTES).filter(([, { access }]) => access === "everybody");
    expect(open.length).toBeGreaterThan(4);
    for (const [route] of open) expect(route).toMatch(/^GET /);
  });
});
