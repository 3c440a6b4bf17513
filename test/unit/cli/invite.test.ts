import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { adminEventSchema } from "../../../src/api/admin.ts";
import { decodeInvitation, encodeInvitation } from "../../../src/api/invitation.ts";
import { encodeJoinToken } from "../../../src/api/join-token.ts";
import { asMeshError } from "../../../src/base/errors.ts";
import { findToken } from "../../../src/cli/options/token-source.ts";
import { AdminConsole } from "../../support/admin-console.ts";

const token = encodeJoinToken({
  id: "0".repeat(32),
  secret: "s".repeat(43),
  urls: ["https://192.0.2.1:8443"],
  caFingerprint: undefined,
  network: "mesh",
});
const invitation = { network: "mesh", peer: "bob", expiresAt: new Date("2026-12-05T17:53:36Z"), token };

describe("an invitation as text", () => {
  it("says the same once it is read, bound or free", () => {
    for (const peer of ["bob", null]) {
      expect(decodeInvitation(encodeInvitation({ ...invitation, peer }))).toEqual({ ...invitation, peer });
    }
  });

  it("that is none is refused, and the token is not repeated", () => {
    const text = encodeInvitation(invitation);
    const wrong = [
      "",
      "not = toml = at all",
      text.replace(token, `${token}"\nx`),
      text.replace('network = "mesh"', 'network = "other"'),
      text.replace(/^expires_at.*$/m, ""),
      `${text}more = 1\n`,
      text.replace('peer = "bob"', 'peer = "Bob; --"'),
      "x".repeat(20_000),
      text.replace(token, "mesh1_x"),
    ];
    for (const spoiled of wrong) {
      let error = asMeshError(undefined);
      try {
        decodeInvitation(spoiled);
      } catch (failure) {
        error = asMeshError(failure);
      }
      expect([spoiled, error.code]).toEqual([spoiled, expect.stringMatching(/^(invitation|token)-malformed$/)]);
      expect(error.message).not.toContain(token);
    }
  });
});

describe("mesh invite", () => {
  const admin = AdminConsole.forEachTest();
  const mesh = (...args: string[]) => admin.run(...args);
  let file: string;
  beforeEach(() => {
    file = join(admin.home, "bob.toml");
  });
  const read = (invite: string) =>
    findToken({
      argument: undefined,
      flag: undefined,
      file: undefined,
      environment: undefined,
      invite,
      config: { token: undefined, tokenFile: undefined },
    });

  it("create writes a file for its owner alone, that `join --invite` reads, and reissue makes another", async () => {
    expect(await mesh("invite", "create", "--name", "bob", "-o", file)).toBe(0);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const found = await read(file);
    expect(found).toMatchObject({ peer: "bob", fields: { network: "mesh" } });
    const [bob] = await admin.fixture.admin.listPeers();
    expect(bob).toMatchObject({ name: "bob", state: "invited", ip4: expect.stringMatching(/^10\.86\./) });

    expect(await mesh("invite", "reissue", "bob", "--expires", "1h")).toBe(0);
    const again = decodeInvitation(admin.stdout);
    expect(again.token).not.toBe(found?.text);
    expect((await admin.fixture.admin.listPeers())[0]?.ip4).toBe(bob?.ip4);
  });

  it("create without a name leaves it to the bearer", async () => {
    expect(await mesh("invite", "create")).toBe(0);
    expect(decodeInvitation(admin.stdout).peer).toBeNull();
    expect(await admin.fixture.admin.listPeers()).toEqual([]);
  });

  it("that cannot write makes no token, and leaves no file where there is to be no token", async () => {
    await writeFile(file, "mine");
    const before = await admin.fixture.admin.listTokens();
    expect(await mesh("invite", "create", "--name", "bob", "-o", file)).toBe(6);
    expect(await readFile(file, "utf8")).toBe("mine");
    expect(await mesh("invite", "create", "--name", "bob", "-o", join(admin.home, "nowhere", "x"))).toBe(2);
    expect(await mesh("invite", "create", "--name", "Bob!", "-o", `${file}2`)).toBe(2);
    expect(await mesh("invite", "create", "--name", "bob", "--cidr", "nowhere", "-o", `${file}2`)).toBe(5);
    await expect(stat(`${file}2`)).rejects.toThrow();
    expect(await admin.fixture.admin.listTokens()).toEqual(before);
  });

  it("and all else that changes something stands in `mesh audit`, without a secret", async () => {
    await mesh("invite", "create", "--name", "bob", "-o", file);
    const secret = (await read(file))?.fields.secret ?? "";
    await mesh("peer", "delete", "bob");
    expect(await mesh("audit", "--json")).toBe(0);
    const events = adminEventSchema.array().parse(JSON.parse(admin.stdout));
    expect(events.map(({ actor, action }) => [actor, action])).toEqual([
      ["coordinator", "network.create"],
      ["coordinator", "token.create"],
      ["host", "token.create"],
      ["host", "token.revoke"],
    ]);
    expect(events.at(-1)).toMatchObject({ before: { state: "active" }, after: { state: "revoked" } });
    expect(admin.stdout).not.toContain(secret);
    expect(await mesh("audit", "--since", "1h")).toBe(0);
    expect(admin.stdout.split("\n")[0]).toMatch(/^AT +WHO +WHAT +SUBJECT +BEFORE +AFTER$/);
    expect(await mesh("audit", "--since", "-1h")).toBe(2);
  });
});
