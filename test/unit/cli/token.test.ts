import { describe, expect, it } from "vitest";
import { tokenCreatedSchema, tokenSchema } from "../../../src/api/admin.ts";
import { DEFAULT_LIMITS } from "../../../src/coord/limits.ts";
import { AdminConsole } from "../../support/admin-console.ts";

describe("mesh token", () => {
  const admin = AdminConsole.forEachTest();
  const mesh = async (...args: string[]) => {
    expect(await admin.run(...args)).toBe(0);
    return admin.stdout;
  };

  it("create --ephemeral makes a token that says so, and one without the flag does not", async () => {
    const flagged = tokenCreatedSchema.parse(JSON.parse(await mesh("token", "create", "--ephemeral", "--json")));
    const plain = tokenCreatedSchema.parse(JSON.parse(await mesh("token", "create", "--json")));
    expect([flagged.ephemeral, plain.ephemeral]).toEqual([true, false]);
    expect((await mesh("token", "create", "--ephemeral")).trim()).toMatch(/^mesh1_[A-Za-z0-9_-]+$/);
  });

  it("create takes what the token is to be from its flags", async () => {
    const flags = ["--cidr", "members", "--admin", "--tag", "db", "--tag", "web", "--uses", "3", "--expires", "1h"];
    const token = tokenCreatedSchema.parse(JSON.parse(await mesh("token", "create", ...flags, "--json")));
    expect(token).toMatchObject({ cidr: "members", admin: true, tags: ["db", "web"], uses: 3, relay: false });
    expect(Date.parse(token.expiresAt) - Date.parse(token.createdAt)).toBe(3_600_000);
    const relay = tokenCreatedSchema.parse(
      JSON.parse(await mesh("token", "create", "--relay", "--uses", "unlimited", "--json")),
    );
    expect(relay).toMatchObject({ relay: true, uses: null });
  });

  it("list shows who is ephemeral, to people and to scripts", async () => {
    const { id } = JSON.parse(await mesh("token", "create", "--ephemeral", "--json"));
    const listed = tokenSchema.array().parse(JSON.parse(await mesh("token", "list", "--json")));
    expect(listed.filter(({ ephemeral }) => ephemeral).map((token) => token.id)).toEqual([id]);
    const [title = "", ...rows] = (await mesh("token", "list")).trimEnd().split("\n");
    const column = title.indexOf("EPHEMERAL");
    expect(rows.map((row) => [row.startsWith(id), row.slice(column).split(" ")[0]])).toEqual(
      listed.map((token) => [token.id === id, token.ephemeral ? "yes" : "no"]),
    );
  });

  it("create --help tells how long an ephemeral peer may be away", async () => {
    const minutes = DEFAULT_LIMITS.ephemeralAbsenceMs / 60_000;
    expect((await mesh("token", "create", "--help")).replaceAll(/\s+/g, " ")).toContain(`away for ${minutes} minutes`);
  });
});
