import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { encodeJoinToken } from "../../../src/api/join-token.ts";
import { runCli } from "../../../src/cli/program.ts";
import { loadOrCreateKeys } from "../../../src/daemon/membership/identity.ts";

describe("command lines that cannot be carried out", () => {
  let home: string;
  let stdout = "";
  let stderr = "";

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), "mesh-cli-"));
    stdout = "";
    stderr = "";
    vi.stubEnv("MESH_TOKEN", "");
    vi.spyOn(process.stdout, "write").mockImplementation((text) => {
      stdout += text;
      return true;
    });
    vi.spyOn(process.stderr, "write").mockImplementation((text) => {
      stderr += text;
      return true;
    });
  });
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
    rmSync(home, { recursive: true, force: true });
  });

  const token = encodeJoinToken({
    id: "0".repeat(32),
    secret: "A".repeat(43),
    urls: ["https://127.0.0.1:1"],
    caFingerprint: "0".repeat(64),
    network: "mesh",
  });

  it.each([
    ["a command", ["stauts"], "Did you mean status?"],
    ["a command below another", ["peer", "renam"], "Did you mean rename?"],
    ["a flag", ["status", "--jsn"], "Did you mean --json?"],
  ])("%s that is nearly one is asked back", async (_what, args, question) => {
    expect(await runCli(args)).toBe(2);
    expect(stderr).toContain(question);
  });

  it.each([
    ["an unknown command", ["frobnicate"], 2, "bad-usage"],
    ["no command", [], 2, "bad-usage"],
    ["an unknown flag", ["status", "--frobnicate"], 2, "bad-usage"],
    ["a flag without its value", ["join", "--name"], 2, "bad-usage"],
    ["a missing argument", ["ping"], 2, "bad-usage"],
    ["an argument too many", ["ping", "a", "b"], 2, "bad-usage"],
    ["a count that is no number", ["ping", "bob", "-c", "three"], 2, "bad-usage"],
    ["a port out of range", ["join", token, "--listen-port", "65536"], 2, "bad-usage"],
    ["an SSH port out of range", ["join", token, "--ssh-port", "0"], 2, "bad-usage"],
    ["SSH ports and none", ["join", token, "--ssh-port", "off", "--ssh-port", "22"], 2, "bad-usage"],
    ["a firewall mark that is no number", ["join", token, "--fwmark", "0xmesh"], 2, "bad-usage"],
    ["a firewall mark too large", ["join", token, "--fwmark", "0x100000000"], 2, "bad-usage"],
    ["an MTU too small for IPv4", ["join", token, "--mtu", "575"], 2, "bad-usage"],
    ["an interface name with a slash", ["join", token, "--interface", "a/b"], 2, "bad-usage"],
    ["an interface name too long", ["join", token, "--interface", "a".repeat(16)], 2, "bad-usage"],
    ["a log format unheard of", ["status", "--log-format", "xml"], 2, "bad-usage"],
    ["a bad peer name", ["join", token, "--name", "Not A Name"], 2, "bad-name"],
    ["a reserved peer name", ["join", token, "--name", "all"], 2, "bad-name"],
    ["a bad network name", ["join", token, "--network", "../x"], 2, "bad-name"],
    ["something that is no token", ["join", "mesh1_xyz"], 2, "token-malformed"],
    ["a token cut short", ["join", token.slice(0, -20)], 2, "token-malformed"],
    ["a token twice", ["join", token, "--token", token], 2, "bad-usage"],
    ["a token file that is not there", ["join", "--token-file", "/nonexistent"], 5, "not-found"],
    ["neither token nor server", ["join"], 2, "bad-usage"],
    ["a server over plain HTTP", ["join", token, "--server", "http://192.0.2.1"], 2, "bad-usage"],
    ["a server that is no address", ["join", token, "--server", "a b"], 2, "bad-usage"],
    ["a coordinator that is not there", ["join", token], 1, "coordinator-unreachable"],
    ["a configuration file that is not there", ["join", "--config", "/nonexistent"], 5, "not-found"],
    ["up before join", ["up"], 5, "needs-join"],
    ["down without a daemon", ["down"], 3, "no-daemon"],
    ["ping without a daemon", ["ping", "bob"], 3, "no-daemon"],
    ["prefer without a daemon", ["prefer", "bob", "relay"], 3, "no-daemon"],
    ["netcheck without a daemon", ["netcheck"], 3, "no-daemon"],
    ["an endpoint without a port", ["peer", "override-endpoint", "bob", "vpn.example.com"], 2, "bad-endpoint"],
    ["an endpoint that is no address", ["peer", "override-endpoint", "bob", "1.2.3.400:5"], 2, "bad-endpoint"],
    ["an endpoint with a zone", ["peer", "override-endpoint", "bob", "[fe80::1%eth0]:5"], 2, "bad-endpoint"],
    ["an endpoint and none at once", ["peer", "override-endpoint", "bob", "a.example:5", "--unset"], 2, "bad-usage"],
    ["neither an endpoint nor none", ["peer", "override-endpoint", "bob"], 2, "bad-usage"],
    ["a transport unheard of", ["prefer", "bob", "quic"], 2, "bad-transport"],
    ["an excluded transport unheard of", ["prefer", "bob", "--exclude", "udp,quic"], 2, "bad-transport"],
    ["preferring what is excluded", ["prefer", "bob", "udp", "--exclude", "udp"], 2, "bad-usage"],
    ["excluding everything", ["prefer", "bob", "--exclude", "udp,ssh,relay"], 2, "bad-usage"],
    ["only and exclude at once", ["prefer", "bob", "--only", "udp", "--exclude", "ssh"], 2, "bad-usage"],
    ["unset and a transport at once", ["prefer", "bob", "udp", "--unset"], 2, "bad-usage"],
    ["no transport at all", ["join", token, "--transports", ""], 2, "bad-transport"],
    ["transports unheard of", ["join", token, "--transports", "udp,tcp"], 2, "bad-transport"],
    ["a transport twice", ["up", "--transports", "udp,udp"], 2, "bad-transport"],
    ["a time that is none", ["ping", "bob", "--timeout", "soon"], 2, "bad-duration"],
    ["peers without a daemon", ["peers"], 3, "no-daemon"],
    ["leave before join", ["leave", "--yes"], 5, "needs-join"],
    ["token list without a coordinator", ["token", "list"], 3, "no-coordinator"],
    ["a token for no duration", ["token", "create", "--expires", "soon"], 2, "bad-duration"],
    ["a token for no uses", ["token", "create", "--uses", "0"], 2, "bad-usage"],
    ["a token for a bad address", ["token", "create", "--ip", "300.1.1.1"], 2, "bad-usage"],
    ["TLS files without a key", ["serve", "--tls", "cert.pem"], 2, "bad-usage"],
    ["a listen address without a port", ["serve", "--listen", "localhost"], 2, "bad-usage"],
    ["a relay neither on nor off", ["serve", "--relay", "perhaps"], 2, "bad-usage"],
    ["a STUN address without a port", ["serve", "--stun-listen", "localhost"], 2, "bad-usage"],
    ["STUN off and on at once", ["serve", "--stun-listen", "off", "--stun-listen", ":3478"], 2, "bad-usage"],
    ["peers and self at once", ["status", "--peers", "--self"], 2, "bad-usage"],
  ])("%s", async (_what, args, exitStatus, code) => {
    expect(await runCli(["--home", home, "--json", ...args])).toBe(exitStatus);
    expect(stdout).toBe("");
    const { error } = JSON.parse(stderr.trim().split("\n").at(-1) ?? "");
    expect(error).toMatchObject({ code, message: expect.any(String), hint: expect.any(String) });
    expect(error.message).not.toContain("A".repeat(43));
  });

  it("an error for people is what went wrong, then what to do", async () => {
    expect(await runCli(["--home", home, "ping", "bob"])).toBe(3);
    expect(stderr).toBe("mesh: this machine has joined no network\n      Join one with `mesh join TOKEN`.\n");
  });

  it.each([
    ["unknown_key: 1\nlisten_port: 5", ":1: unknown key"],
    ["listen_port: 5\nmtu: 100", ":2: mtu"],
    ["listen_port: [", ":1: "],
    ["mtu: 1400\ntransports: [udp, quic]", ":2: transports.1: a transport: udp, ssh or relay"],
    ["transports: relay", ":1: transports: a list such as [udp, relay]"],
    ["transports: []", ":1: transports: one transport at least"],
    ["paths:\n  bob: {prefer: tcp}", ":2: paths.bob.prefer: udp, ssh, relay or auto"],
    [
      "paths:\n  bob: {prefer: udp}\n  carol: {prefer: udp, exclude: [udp]}",
      ":3: paths.carol.prefer: what is preferred",
    ],
    ["paths:\n  bob: {avoid: udp}", ':2: unknown key "avoid"'],
  ])("a configuration file with %j names the line", async (text, expected) => {
    const file = join(home, "peer.yaml");
    writeFileSync(file, text);
    expect(await runCli(["--home", home, "join", "--config", file])).toBe(2);
    expect(stderr).toContain(`${file}${expected}`);
  });

  it("status without a daemon says what the disk says, and ends with 3", async () => {
    expect(await runCli(["--home", home, "--json", "status"])).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({ schemaVersion: 1, state: "no-state", self: null, peers: [] });
    expect(stderr).toBe("");
  });

  it("a join that reached no coordinator leaves nothing; keys of one that did are there to try again with", async () => {
    const status = async () => {
      stdout = "";
      expect(await runCli(["--home", home, "--json", "status"])).toBe(3);
      return JSON.parse(stdout);
    };
    await runCli(["--home", home, "join", token]);
    expect(await status()).toMatchObject({ state: "no-state", network: null });
    await loadOrCreateKeys(join(home, "networks", "mesh"));
    expect(await status()).toMatchObject({ state: "needs-join", network: "mesh" });
  });

  it("help and version succeed", async () => {
    expect(await runCli(["--help"])).toBe(0);
    for (const command of [
      "serve",
      "token",
      "join",
      "up",
      "down",
      "leave",
      "status",
      "peers",
      "ping",
      "prefer",
      "netcheck",
      "version",
    ]) {
      expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, "m"));
    }
    stdout = "";
    expect(await runCli(["version"])).toBe(0);
    expect(stdout).toMatch(/^mesh \d+\.\d+\.\d+\n$/);
  });
});
