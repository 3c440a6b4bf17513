import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { asMeshError } from "../../../src/base/errors.ts";
import { parseChanges } from "../../../src/cli/proposed-changes.ts";
import { AdminConsole } from "../../support/admin-console.ts";
import { makeKeys } from "../../support/coordinator-client.ts";

const requests = async (...lines: string[]) =>
  (await parseChanges(lines.join("\n"))).map(({ line, method, path, body }) => [line, `${method} ${path}`, body]);
const problems = (...lines: string[]) =>
  parseChanges(lines.join("\n")).then(
    () => "",
    (thrown) => {
      const error = asMeshError(thrown);
      expect([error.code, error.exitStatus]).toEqual(["bad-changes", 2]);
      return error.message;
    },
  );

describe("a file of proposed changes", () => {
  it("becomes the requests that the commands would send", async () => {
    const found = await requests(
      "# the new office",
      "cidr add office 10.86.1.0/24 --parent root   # next to the old one",
      "",
      "association add office db --one-way",
      "association delete 'humans' db\r",
      `filter add --scope network --action deny --port 22 --dest-peer db-1 --comment "not # 'yet'"`,
      "\tfilter remove 1a2b3c4d --scope network",
      "cidr disable office",
      "peer tag alice a b",
      "peer disable alice",
    );
    const rule = {
      action: "deny",
      protocol: "tcp,udp",
      ports: "22",
      source: "any",
      destination: "peer:db-1",
      comment: "not # 'yet'",
    };
    expect(found).toEqual([
      [2, "POST /v1/admin/cidrs", { name: "office", cidr4: "10.86.1.0/24", parent: "root" }],
      [4, "POST /v1/admin/associations", { from: "office", to: "db", oneWay: true }],
      [5, "DELETE /v1/admin/associations/humans/db", undefined],
      [6, "POST /v1/admin/filter", { rule, ttlSeconds: null }],
      [7, "POST /v1/admin/filter/remove", { id: "1a2b3c4d" }],
      [8, "POST /v1/admin/cidrs/office/disable", undefined],
      [9, "POST /v1/admin/peers/alice/tags", { tags: ["a", "b"] }],
      [10, "POST /v1/admin/peers/alice/disable", {}],
    ]);
    expect(await requests("", "# nothing")).toEqual([]);
  });

  it("is refused with every line that is no such command", async () => {
    const none = "is none of the commands that change the policy: association, cidr, filter, peer";
    const local = "without `--scope network` this is about the rules of one machine";
    expect(
      (await problems("token create", "cidr add x", "mesh cidr delete x", "peer set-admin a maybe")).split("; "),
    ).toEqual([
      `line 1: "token" ${none}`,
      "line 2: missing required argument 'cidr'",
      `line 3: "mesh" ${none}`,
      "line 4: the admin right is on or off",
    ]);
    expect((await problems("filter add --action deny", "filter list", "filter test --to bob")).split("; ")).toEqual([
      `line 1: ${local}`,
      `line 2: ${local}`,
      `line 3: ${local}`,
    ]);
    for (const line of ["cidr", "cidr help", "cidr --help", "--help", "peer list --json", "--home / peer list"]) {
      expect(await problems(line)).toMatch(/^line 1: /);
    }
    expect(await problems("peer tag alice 'a b")).toBe("line 1: a quote is not closed");
    expect(await problems("constructor x")).toBe(`line 1: "constructor" ${none}`);
    expect(await problems("filter add --scope network --action deny --port 0")).toMatch(/^line 1: --port: /);
    expect(await problems(...new Array(12).fill("backup x"))).toMatch(/; and 2 more$/);
    expect(await problems(...new Array(501).fill("cidr delete x"))).toBe("line 501: 500 changes are all there can be");
  });
});

describe("mesh policy test", () => {
  const admin = AdminConsole.forEachTest();
  const write = async (name: string, ...lines: string[]) => {
    const path = join(admin.home, name);
    await writeFile(path, lines.join("\n"));
    return path;
  };

  it("tells by its exit status what holds, live and as proposed, and changes nothing", async () => {
    await admin.mesh("cidr", "add", "humans", "10.86.128.0/24");
    await admin.mesh("cidr", "add", "db", "10.86.129.0/24");
    for (const [name, cidr] of [
      ["alice", "humans"],
      ["db-1", "db"],
    ] as const) {
      const { token } = await admin.fixture.admin.createToken({ cidr });
      await admin.fixture.client.register(makeKeys(), name, token);
    }
    const before = await admin.mesh("audit");
    const assertions = await write("policy.txt", "accept humans -> db:5432/tcp", "deny db -> humans");
    const changes = await write("changes.txt", "association add humans db --one-way");
    expect(await admin.run("policy", "test", assertions)).toBe(1);
    expect(admin.stdout).toContain("1 of 2 assertions hold\n");
    expect(await admin.mesh("policy", "test", assertions, "--proposed", changes)).toMatch(
      /^ok .*\nok .*\n2 of 2 assertions hold in the proposed policy\n$/,
    );
    const report = JSON.parse(await admin.mesh("policy", "test", assertions, "--proposed", changes, "--json"));
    expect(report).toMatchObject({ policy: "proposed", holds: true, assertions: [{ line: 1 }, { line: 2 }] });
    expect(await admin.run("policy", "test", assertions, "--json")).toBe(1);
    expect(JSON.parse(admin.stdout)).toMatchObject({ policy: "live", holds: false });

    const twice = await write("twice.txt", "association add humans db", "", "association add db humans");
    expect(await admin.fails("policy", "test", assertions, "--proposed", twice)).toEqual([6, "association-exists"]);
    expect(JSON.parse(admin.stderr).error.message).toBe("line 3: db and humans are associated already, both ways");
    const listed = await write("list.txt", "peer list");
    expect(await admin.fails("policy", "test", assertions, "--proposed", listed)).toEqual([2, "bad-changes"]);
    expect(await admin.fails("policy", "test", assertions, "--proposed", "/no/such")).toEqual([5, "not-found"]);
    expect(await admin.fails("policy", "test", "--proposed", "-")).toEqual([2, "bad-usage"]);
    expect(await admin.mesh("audit")).toBe(before);
  });
});
