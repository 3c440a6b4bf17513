import { generateKeyPairSync, randomBytes } from "node:crypto";
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { encodeInvitation } from "../../../../src/api/invitation.ts";
import { encodeJoinToken } from "../../../../src/api/join-token.ts";
import type { NetcheckReply, Status } from "../../../../src/api/local.ts";
import { bugReportSchema } from "../../../../src/api/local-bug-report.ts";
import { Redactor } from "../../../../src/base/redactor.ts";
import { PeerKeys } from "../../../../src/control/peer-keys.ts";
import { reportOfDaemon } from "../../../../src/daemon/bug-report/bug-report.ts";
import { reportFromDisk } from "../../../../src/daemon/bug-report/from-disk.ts";
import { concealKeys } from "../../../../src/daemon/membership/conceal-keys.ts";
import { saveKeys } from "../../../../src/daemon/membership/identity.ts";
import { networkPaths, resolveHome } from "../../../../src/daemon/networks/home.ts";
import { FakeDaemon } from "../local-api/fake-daemon.ts";

const NOBODY_WAITS = new AbortController().signal;

const keys = PeerKeys.generate();
const ownKeys = [keys.exportMachineSeed(), keys.exportWireguardPrivate()].map((key) => Buffer.from(key));
const joinSecret = randomBytes(32).toString("base64url");
const token = encodeJoinToken({
  id: randomBytes(16).toString("hex"),
  secret: joinSecret,
  urls: ["https://mesh.example:8443"],
  caFingerprint: undefined,
  network: "mesh",
});
const invitation = encodeInvitation({ network: "mesh", peer: "eve", expiresAt: new Date(), token });
const pem = generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }).toString();
const presharedKey = randomBytes(32).toString("base64");

/** What must stand nowhere in a report, in any way to write it. */
const SECRETS = [
  ...ownKeys.flatMap((key) => [key.toString("base64"), key.toString("base64url"), key.toString("hex")]),
  token,
  token.slice("mesh1_".length),
  joinSecret,
  presharedKey,
  pem.split("\n")[1] ?? "",
  "hunter2",
  "correct horse",
];

/** As they come where people or programs write them. */
const PLANTED = [
  ...ownKeys.map((key) => `the key ${key.toString("base64")} and ${key.toString("hex")}.`),
  `joining with ${token}`,
  invitation,
  pem,
  `PresharedKey = ${presharedKey}`,
  JSON.stringify({ psk: presharedKey, password: "correct horse battery" }),
  JSON.stringify({ said: JSON.stringify({ token: joinSecret, passphrase: "correct horse battery" }) }),
  "CONNECT by http://alice:hunter2@proxy.example:3128 failed",
  "by http://alice:hunter2@/odd's@proxy.example:3128",
  `Authorization: Bearer ${joinSecret}`,
];

class TalkativeDaemon extends FakeDaemon {
  override status(): Status {
    return { ...super.status(), warnings: PLANTED };
  }
  override settings() {
    const value = { jump: "bob@192.168.1.9:22", identity: `/root/${token}`, said: PLANTED };
    return { settings: [{ key: "ssh", value, source: "configuration" as const, change: "live" as const }] };
  }
  override preferences() {
    return { transports: ["udp" as const], peers: [], [token]: { token: joinSecret, seed: 5, psk: [presharedKey] } };
  }
  override async netcheck(): Promise<NetcheckReply> {
    throw new Error(`no way: ${PLANTED.join(" ")}`);
  }
  override metrics() {
    const samples = [{ name: "mesh_relay_connected", labels: { relay: `wss://a:hunter2@r ${token}` }, value: 1 }];
    return [{ name: "mesh_relay_connected", type: "gauge" as const, help: "", samples }];
  }
}

describe("a bug report", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "mesh-report-"));
    vi.stubEnv("MESH_TOKEN", joinSecret);
    vi.stubEnv("MESH_NOTE", token);
    vi.stubEnv("HTTPS_PROXY", "alice:hunter2@proxy.example:3128");
    vi.stubEnv("http_proxy", 'http://alice:hunter2/"\\ @correct horse@proxy.example:3128/');
    vi.stubEnv("NODE_OPTIONS", `--title=${ownKeys[0]?.toString("hex")}`);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(directory, { recursive: true });
  });

  const request = { addresses: true };

  function holdsNoSecret(report: object): string {
    const text = JSON.stringify(bugReportSchema.parse(report));
    for (const secret of SECRETS) expect(text).not.toContain(secret);
    expect(text).toContain("proxy.example:3128");
    expect(text).toContain("[hidden]");
    return text;
  }

  it("of a daemon has no secret in it, wherever one was put", async () => {
    const redactor = new Redactor();
    concealKeys(keys, redactor);
    const daemon = new TalkativeDaemon();
    for (const msg of PLANTED) daemon.logs.push(JSON.stringify({ level: 30, time: "12:00", msg, [token]: msg }));
    const deps = { redactor, journalFile: join(directory, "journal.json") };
    const report = await reportOfDaemon(daemon, request, deps, NOBODY_WAITS);
    const text = holdsNoSecret(report);
    expect(text).toContain("bob@192.168.1.9:22");
    expect(report).toMatchObject({ noDaemon: null, netcheck: { error: { code: "internal" } } });
    expect(report.log).toHaveLength(PLANTED.length);
  });

  it("of the disk has none either: not of files, and not of what they are called", async () => {
    const home = resolveHome(directory);
    const { directory: network } = networkPaths(home, "mesh");
    mkdirSync(network, { recursive: true });
    await saveKeys(network, keys);
    writeFileSync(join(network, `${token}.toml`), invitation);
    writeFileSync(join(network, "settings.json"), "{ damaged");
    appendFileSync(join(network, "daemon.log"), `first\n${PLANTED.join("\n")}\nlast\n`);
    const report = await reportFromDisk(home, undefined, request, `no answer by ${token}`);
    holdsNoSecret(report);
    expect(report).toMatchObject({
      noDaemon: "no answer by mesh1_[hidden]",
      settings: { error: { code: "state-damaged" } },
      files: [
        { name: "daemon.log" },
        { name: "keys.json", mode: "600" },
        { name: "mesh1_[hidden].toml" },
        { name: "settings.json" },
      ],
    });
    const log = report.log as string[];
    expect([log[0], log.at(-1)]).toEqual(["first", "last"]);
  });

  it("of a machine that has joined nothing is there all the same", async () => {
    const report = await reportFromDisk(resolveHome(directory), undefined, request, "nothing joined");
    expect(report).toMatchObject({ status: { state: "no-state" }, log: null, hostChanges: [] });
  });
});
