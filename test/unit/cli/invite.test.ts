import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { adminEventSchema } from "../../../src/api/admin.ts";
import { decodeInvitation, encodeInvitation } from "../../../src/api/invitation.ts";
import { encodeJoinToken } from "../../../src/api/join-token.ts";
import { asMeshError } from "../../../src/base/errors.ts";
import { runCli } from "../../../src/cli/program.ts";
import { findToken } from "../../../src/cli/token-source.ts";
import { type CoordinatorFixture, startCoordinator, temporaryHome } from "../../support/coordinator-fixture.ts";

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
  let home: Awaited<ReturnType<typeof temporaryHome>>;
  let fixture: CoordinatorFixture;
  let stdout: string;
  let file: string;

  beforeEach(async () => {
    home = await temporaryHome();
    file = join(home.path, "bob.toml");
    const adminSocketPath = join(home.path, "run", "coordinator.sock");
    fixture = await startCoordinator(home.path, { tls: "off", adminSocketPath });
    vi.spyOn(process.stdout, "write").mockImplementation((text) => {
      stdout += text;
      return true;
    });
    vi.spyOn(process.stderr, "write").mockImplementation(() => true);
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await fixture.coordinator.close();
    await home[Symbol.asyncDispose]();
  });

  const mesh = (...args: string[]) => {
    stdout = "";
    return runCli(["--home", home.path, ...args]);
  };
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
    const [bob] = await fixture.admin.listPeers();
    expect(bob).toMatchObject({ name: "bob", state: "invited", ip4: expect.stringMatching(/^10\.86\./) });

    expect(await mesh("invite", "reissue", "bob", "--expires", "1h")).toBe(0);
    const again = decodeInvitation(stdout);
    expect(again.token).not.toBe(found?.text);
    expect((await fixture.admin.listPeers())[0]?.ip4).toBe(bob?.ip4);
  });

  it("create without a name leaves it to the bearer", async () => {
    expect(await mesh("invite", "create")).toBe(0);
    expect(decodeInvitation(stdout).peer).toBeNull();
    expect(await fixture.admin.listPeers()).toEqual([]);
  });

  it("that cannot write makes no token, and leaves no file where there is to be no token", async () => {
    await writeFile(file, "mine");
    const before = await fixture.admin.listTokens();
    expect(await mesh("invite", "create", "--name", "bob", "-o", file)).toBe(6);
    expect(await readFile(file, "utf8")).toBe("mine");
    expect(await mesh("invite", "create", "--name", "bob", "-o", join(home.path, "nowhere", "x"))).toBe(2);
    expect(await mesh("invite", "create", "--name", "Bob!", "-o", `${file}2`)).toBe(2);
    expect(await mesh("invite", "create", "--name", "bob", "--cidr", "nowhere", "-o", `${file}2`)).toBe(5);
    await expect(stat(`${file}2`)).rejects.toThrow();
    expect(await fixture.admin.listTokens()).toEqual(before);
  });

  it("and all else that changes something stands in `mesh audit`, without a secret", async () => {
    await mesh("invite", "create", "--name", "bob", "-o", file);
    const secret = (await read(file))?.fields.secret ?? "";
    await mesh("peer", "delete", "bob");
    expect(await mesh("audit", "--json")).toBe(0);
    const events = adminEventSchema.array().parse(JSON.parse(stdout));
    expect(events.map(({ actor, action }) => [actor, action])).toEqual([
      ["coordinator", "network.create"],
      ["coordinator", "token.create"],
      ["host", "token.create"],
      ["host", "token.revoke"],
    ]);
    expect(events.at(-1)).toMatchObject({ before: { state: "active" }, after: { state: "revoked" } });
    expect(stdout).not.toContain(secret);
    expect(await mesh("audit", "--since", "1h")).toBe(0);
    expect(stdout.split("\n")[0]).toMatch(/^AT +WHO +WHAT +SUBJECT +BEFORE +AFTER$/);
    expect(await mesh("audit", "--since", "-1h")).toBe(2);
  });
});
