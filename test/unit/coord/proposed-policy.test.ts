import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import type { PolicyReport } from "../../../src/api/policy-test.ts";
import type { Answer, TestKeys } from "../../support/coordinator-client.ts";
import { TestCoordinator } from "../../support/test-coordinator.ts";

const network = TestCoordinator.forEachTest({}, { limits: { upkeepIntervalMs: 3_600_000 } });
let ada: TestKeys;
let alice: TestKeys;

beforeEach(async () => {
  for (const [name, cidr4] of [
    ["humans", "10.86.128.0/20"],
    ["servers", "10.86.160.0/20"],
    ["db", "10.86.160.0/24"],
    ["web", "10.86.161.0/24"],
  ]) {
    expect((await network.admin.call("POST", "/v1/admin/cidrs", { name, cidr4 })).status).toBe(200);
  }
  await network.admin.call("POST", "/v1/admin/associations", { from: "humans", to: "db", oneWay: false });
  ada = await network.join("ada", { cidr: "humans", admin: true });
  alice = await network.join("alice", { cidr: "humans" });
  await network.join("db-1", { cidr: "db" });
  await network.join("web-1", { cidr: "web" });
});

type Change = readonly [request: string, body?: unknown];
type TestAnswer = Answer<PolicyReport & { error: { code: string; message: string } }>;

const request = (text: string, changes: readonly Change[]) => ({
  text,
  // Between two commands of a file there may be other lines.
  proposed: changes.map(([wanted, body], index) => {
    const [method, path] = wanted.split(" ");
    return { line: 2 * index + 1, method, path: `/v1/admin/${path}`, body };
  }),
});
const propose = (text: string, ...changes: Change[]): Promise<TestAnswer> =>
  network.admin.call("POST", "/v1/admin/policy/test", request(text, changes));
const proposeAs = (keys: TestKeys, ...changes: Change[]): Promise<TestAnswer> =>
  network.client.signed(keys, "POST", "/v1/admin/policy/test", request("accept any -> any", changes));
const verdicts = async (text: string, ...changes: Change[]) => {
  const { status, json } = await propose(text, ...changes);
  expect([status, json.policy]).toEqual([200, "proposed"]);
  return json.assertions.map(({ holds }) => holds);
};
const refusal = ({ json }: TestAnswer) => [json.error.code, json.error.message.split(":")[0]];
const live = async (text: string) => {
  const { json } = await network.admin.call<PolicyReport>("POST", "/v1/admin/policy/test", { text });
  expect(json.policy).toBe("live");
  return json.assertions.map(({ holds }) => holds);
};
const associate = (from: string, to: string, oneWay = false): Change => ["POST associations", { from, to, oneWay }];
const deny = (rule: object): Change => {
  const any = { action: "deny", protocol: "tcp", ports: "any", source: "any", destination: "any", comment: null };
  return ["POST filter", { rule: { ...any, ...rule }, ttlSeconds: null }];
};

describe("a proposed policy", () => {
  it("is tested as it would be after the changes, in their order", async () => {
    const text = "accept alice -> db-1:5432\naccept alice -> web-1:22";
    expect(await live(text)).toEqual([true, false]);
    expect(await verdicts(text)).toEqual([true, false]);
    expect(await verdicts(text, associate("humans", "web", true))).toEqual([true, true]);
    expect(await verdicts(text, ["DELETE associations/db/humans"], associate("humans", "servers"))).toEqual([
      true,
      true,
    ]);
    expect(await verdicts(text, ["POST peers/db-1/disable", {}])).toEqual([false, false]);
    expect(await verdicts(text, ["POST cidrs/servers/disable"])).toEqual([false, false]);
    expect(
      await verdicts(
        text,
        associate("humans", "web"),
        ["POST peers/alice/tags", { tags: ["guest"] }],
        deny({ source: "tag:guest", ports: "1-1000" }),
      ),
    ).toEqual([true, false]);
    const rule = { ports: "5432", destination: "peer:db-1" };
    expect(await verdicts(text, deny(rule), ["POST filter/remove", { match: { ports: "5432" } }])).toEqual([
      true,
      false,
    ]);
    expect(await live(text)).toEqual([true, false]);
  });

  it("is spoken of by its own names", async () => {
    await network.join("root", { cidr: "infra", admin: true });
    const text = "accept bob -> office-1:80\ndeny bob -> den\naccept den -> bob/icmp";
    const changes: Change[] = [
      ["POST cidrs", { name: "office", cidr4: "10.86.32.0/24" }],
      ["POST cidrs/office/rename", { to: "den" }],
      ["POST peers/db-1/rename", { to: "office-1" }],
      ["DELETE peers/ada"],
      ["POST peers/alice/rename", { to: "bob" }],
      ["DELETE peers/web-1"],
      ["DELETE cidrs/web"],
    ];
    const { json } = await propose(text, ...changes);
    expect(json.assertions.map(({ holds, pairs }) => [holds, pairs])).toEqual([
      [true, 1],
      [true, 0],
      [true, 0],
    ]);
    expect((await propose(`${text}\naccept ada -> db`, ...changes)).json.error).toMatchObject({
      code: "bad-assertions",
      message: "line 4: there is no peer, CIDR or tag ada",
    });
  });

  it("leaves nothing behind: not a byte on the disk, no word to any peer", async () => {
    const controls = [await network.client.connect(ada), await network.client.connect(alice)] as const;
    const [first, second] = controls;
    await first.until("alice", () => first.peer("alice")?.online === true);
    await second.until("ada", () => second.peer("ada")?.online === true);
    const files = ["coordinator.db", "coordinator.db-wal"].map((name) => join(network.home, "coordinator", name));
    const digest = async (file: string) =>
      createHash("sha256")
        .update(await readFile(file))
        .digest("hex");
    const stored = () => Promise.all(files.map(digest));
    const [disk, told] = [await stored(), controls.map(({ messages }) => messages.length)];
    const { version } = first.map!;

    const changes: Change[] = [
      associate("humans", "web"),
      deny({ source: "peer:alice" }),
      ["POST peers/alice/tags", { tags: ["guest"] }],
      ["POST peers/alice/disable", {}],
      ["DELETE peers/db-1"],
      ["POST cidrs/humans/disable"],
    ];
    expect(await verdicts("deny alice -> web", ...changes)).toEqual([true]);
    expect((await proposeAs(ada, ...changes)).json).toMatchObject({ policy: "proposed", holds: true });
    expect(refusal(await propose("deny alice -> web", ...changes, associate("web", "web")))).toEqual([
      "bad-association",
      "line 13",
    ]);
    expect(await stored()).toEqual(disk);

    // A change that is made follows on what the peers had.
    await network.admin.call("POST", "/v1/admin/peers/alice/rename", { to: "alina" });
    await first.until("the other name", () => first.peer("alina") !== undefined);
    expect(first.map!.version).toBe(version + 1);
    expect([first.messages.length, first.brokenDelta]).toEqual([told[0]! + 1, false]);
    expect(second.closeCode).toBeUndefined();
    expect(await stored()).not.toEqual(disk);
  });

  it("is refused where a change would be, with its code and line", async () => {
    const cases: [string, string, ...Change[]][] = [
      ["association-exists", "line 3", associate("humans", "web"), associate("web", "humans")],
      ["association-exists", "line 1", associate("humans", "db")],
      ["not-found", "line 3", ["DELETE associations/humans/db"], ["DELETE associations/humans/db"]],
      ["cidr-in-use", "line 1", ["DELETE cidrs/db"]],
      ["last-admin", "line 1", ["POST peers/ada/disable", {}]],
      ["filter-rule-exists", "line 3", deny({}), deny({})],
      ["bad-name", "line 1", ["POST peers/alice/rename", { to: "two words" }]],
      ["bad-request", "line 1", ["POST peers/alice/rename"]],
      ["bad-request", "line 1", ["POST peers/%ff/disable", {}]],
      ["bad-changes", "line 1", ["POST tokens", {}]],
      ["bad-changes", "line 1", ["GET peers"]],
      ["bad-changes", "line 1", ["GET backup"]],
      ["bad-changes", "line 1", ["POST policy/test", { text: "accept any -> any" }]],
      ["bad-changes", "line 1", ["POST peers/alice/override-endpoint", { endpoint: null }]],
      ["bad-changes", "line 1", ["POST peers/a/b/disable", {}]],
    ];
    for (const [code, line, ...changes] of cases) {
      expect([changes, refusal(await propose("accept any -> any", ...changes))]).toEqual([changes, [code, line]]);
    }
  });

  it("takes the caller's right, as the changes have left it", async () => {
    await network.join("root", { cidr: "infra", admin: true });
    const further = associate("humans", "web");
    expect(refusal(await proposeAs(alice, further))[0]).toBe("not-permitted");
    expect((await proposeAs(ada, ["POST peers/ada/rename", { to: "eva" }], further)).status).toBe(200);
    for (const [code, loss] of [
      ["not-permitted", ["POST peers/ada/admin", { admin: false }]],
      ["peer-disabled", ["POST peers/ada/disable", {}]],
      ["not-registered", ["DELETE peers/ada"]],
    ] as [string, Change][]) {
      expect((await proposeAs(ada, loss)).status).toBe(200);
      expect(refusal(await proposeAs(ada, loss, further))).toEqual([code, "line 3"]);
    }
    expect((await proposeAs(ada, further)).status).toBe(200);
  });
});
