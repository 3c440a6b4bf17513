import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../../scripts/lib/process.mjs";
import { machineKeyOfSeed, openSshPrivateKey, sshPublicKey } from "../../src/transports/ssh/machine-key.ts";
import { eventually } from "../support/lab/eventually.ts";
import { LabProcess } from "../support/lab/lab-process.ts";
import { SshNode, type SshNodeOptions } from "../support/ssh/ssh-node.ts";

/** `u16 length · datagram`, as text in UTF-8: no byte of the length above 0x7f. */
const frame = (text: string) => `${String.fromCharCode(text.length >> 8, text.length & 0xff)}${text}`;
const keyLine = (seed: Uint8Array) => `ssh-ed25519 ${sshPublicKey(machineKeyOfSeed(seed)).toString("base64")}`;

/** What a user of OpenSSH would set up to speak to a peer: the peer's host key, and a machine key of their own. */
class StockClient {
  readonly seed = randomBytes(32);
  readonly publicKey = randomBytes(32).toString("base64");
  readonly identityFile: string;
  readonly #knownHosts: string;
  readonly #node: SshNode;

  constructor(directory: string, node: SshNode, hostSeed = node.machineSeed) {
    const name = randomBytes(6).toString("hex");
    this.#node = node;
    this.identityFile = join(directory, `${name}-identity`);
    this.#knownHosts = join(directory, `${name}-known_hosts`);
    writeFileSync(this.identityFile, openSshPrivateKey(this.seed), { mode: 0o600 });
    writeFileSync(this.#knownHosts, `[127.0.0.1]:${node.port} ${keyLine(hostSeed)}\n`);
  }

  get entry() {
    return { publicKey: this.publicKey, machineKey: machineKeyOfSeed(this.seed), sshEndpoints: [] };
  }

  /** The options that every call needs, for ssh and sftp alike. */
  get options(): string[] {
    return [
      ...["-F", "none", "-i", this.identityFile, "-o", `UserKnownHostsFile=${this.#knownHosts}`],
      ...["-o", "GlobalKnownHostsFile=none", "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes"],
      ...["-o", "IdentityAgent=none", "-o", "BatchMode=yes", "-o", `Port=${this.#node.port}`],
    ];
  }

  /** Runs `ssh` to its end. */
  run(...args: string[]) {
    return run("ssh", [...this.options, ...args], { timeoutMs: 20_000 });
  }

  /** `ssh -s … mesh-datagram@1` with its input open. */
  openSubsystem(...options: string[]): Promise<LabProcess> {
    return LabProcess.start("ssh", "ssh", [...this.options, ...options, "-s", "mesh@127.0.0.1", "mesh-datagram@1"]);
  }
}

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "ssh-stock-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A peer, and an OpenSSH client that it knows. */
async function openPair(options: SshNodeOptions = {}) {
  const node = await SshNode.open(options);
  const client = new StockClient(directory, node);
  node.transport.setPeers([client.entry]);
  const send = (text: string) => node.transport.send(client.publicKey, Buffer.from(text));
  const isOpen = () => node.transport.isOpenTo(client.publicKey);
  return { node, client, send, isOpen, [Symbol.asyncDispose]: () => node.transport.close() };
}

describe("a stock OpenSSH client with a peer's machine key", () => {
  it("reads the key file that we write", async () => {
    await using pair = await openPair();
    const { stdout, status } = await run("ssh-keygen", ["-y", "-f", pair.client.identityFile]);
    expect([status, stdout.trim()]).toEqual([0, `${keyLine(pair.client.seed)} mesh`]);
  });

  it("exchanges frames with the subsystem, and is hung up on when it is a peer no more", async () => {
    await using pair = await openPair();
    const { node, client, send, isOpen } = pair;
    await using ssh = await client.openSubsystem();
    ssh.write(frame("hello from OpenSSH"));
    await eventually("the frame arrives", () => node.received[0] === "hello from OpenSSH");
    expect(send("hello from mesh")).toBe(true);
    await ssh.waitForOutput(/hello from mesh/);
    expect(ssh.stdout).toBe(frame("hello from mesh"));
    node.transport.setPeers([]);
    expect(await ssh.exited).not.toBe(0);
    expect(isOpen()).toBe(false);
  });

  it("ends the connection in good order when its input ends", async () => {
    await using pair = await openPair();
    const { node, client, isOpen } = pair;
    await using ssh = await client.openSubsystem();
    ssh.write(frame("the last"));
    ssh.closeInput();
    await eventually("the frame arrives", () => node.received[0] === "the last");
    await ssh.exited;
    await eventually("the connection is closed", () => !isOpen());
    expect(node.transport.stats.malformedFrames).toBe(0);
  });

  it("goes on across new keys, whichever end asks for them", async () => {
    await using pair = await openPair({ limits: { rekeyAfterBytes: 200_000 } });
    const { node, client, send, isOpen } = pair;
    await using ssh = await client.openSubsystem("-o", "RekeyLimit=150K");
    await eventually("it is open", isOpen);
    const count = 1_000;
    const datagram = (i: number) => `${i} `.padEnd(0x0464, "x");
    for (let i = 0; i < count; i++) ssh.write(frame(datagram(i)));
    let sent = 0;
    await eventually(
      "all arrives both ways",
      () => {
        for (let i = 0; i < 50 && sent < count; i++) send(datagram(sent++));
        return node.received.length === count && ssh.stdout.endsWith(datagram(count - 1));
      },
      { timeoutMs: 30_000 },
    );
    expect(node.received).toEqual(Array.from({ length: count }, (_, i) => datagram(i)));
    expect(ssh.stdout).toBe(Array.from({ length: count }, (_, i) => frame(datagram(i))).join(""));
    expect(node.transport.stats.rekeys).toBeGreaterThanOrEqual(10);
  });

  it.each([
    ["a shell", ["mesh@127.0.0.1"], /shell request failed/],
    ["a terminal", ["-tt", "mesh@127.0.0.1"], /PTY allocation request failed|shell request failed/],
    ["a command", ["mesh@127.0.0.1", "id"], /exec request failed/],
    ["another subsystem", ["-s", "mesh@127.0.0.1", "sftp"], /subsystem request failed/],
    [
      "a connection through us",
      ["-W", "127.0.0.1:22", "mesh@127.0.0.1"],
      /administratively prohibited|forwarding failed/,
    ],
    [
      "a port that we listen on",
      ["-N", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:22", "mesh@127.0.0.1"],
      /remote port forwarding failed/,
    ],
  ] as const)("does not get %s", async (_, args, complaint) => {
    await using pair = await openPair();
    const { status, stdout, stderr } = await pair.client.run(...args);
    expect(status).not.toBe(0);
    expect(stdout).toBe("");
    expect(stderr).toMatch(complaint);
  });

  it("with a key that is no peer's does not get in, and sees when the host key is another one", async () => {
    await using pair = await openPair();
    const stranger = new StockClient(directory, pair.node);
    const refused = await stranger.run("-s", "mesh@127.0.0.1", "mesh-datagram@1");
    expect(refused.stderr).toMatch(/Permission denied \(publickey\)/);
    const misled = new StockClient(directory, pair.node, randomBytes(32));
    const noticed = await misled.run("-s", "mesh@127.0.0.1", "mesh-datagram@1");
    expect(noticed.stderr).toMatch(/Host key verification failed/);
    expect([refused.status, noticed.status]).toEqual([255, 255]);
  });
});
