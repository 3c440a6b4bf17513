import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { mustRun } from "../../scripts/lib/process.mjs";
import type { SocketTarget } from "../../src/host/tcp.ts";
import type { JumpOptions } from "../../src/transports/ssh/options.ts";
import { eventually } from "../support/lab/eventually.ts";
import { introduce, SshNode, type SshNodeOptions } from "../support/ssh/ssh-node.ts";
import { makeKey, StockSshd } from "../support/ssh/stock-sshd.ts";

function jumpOptions(sshd: StockSshd, changes: Partial<JumpOptions> = {}): JumpOptions {
  return {
    host: "127.0.0.1",
    port: sshd.port,
    user: "root",
    identityFile: sshd.identityFile,
    knownHostsFile: sshd.write("good", sshd.knownHostsLine()),
    ...changes,
  };
}

const QUICK = { firstRetryMs: 50, lastRetryMs: 200 };

/** A peer that dials through `jump`, one that it reaches so, and where the first one's TCP connections went. */
async function openPair(jump: JumpOptions, options: SshNodeOptions = {}) {
  const dialled: SocketTarget[] = [];
  const socketFactory = (target: SocketTarget) => {
    dialled.push(target);
    return connect(target);
  };
  const near = await SshNode.open({ jump, timings: QUICK, ...options, dependencies: { socketFactory } });
  const far = await SshNode.open();
  introduce(near, far);
  const close = async () => void (await Promise.all([near.transport.close(), far.transport.close()]));
  return { near, far, dialled, [Symbol.asyncDispose]: close };
}

const problemsOf = (node: SshNode) => node.transport.problems.map(({ code }) => code);

describe("a stock OpenSSH server as a jump host", { timeout: 60_000 }, () => {
  it("carries datagrams both ways, and is the only one that we connect to", async () => {
    await using sshd = await StockSshd.start();
    await using pair = await openPair(jumpOptions(sshd));
    const { near, far, dialled } = pair;
    await near.connect(far);
    await far.isOpenTo(near);
    const sent = Array.from({ length: 2_000 }, (_, i) => `${i} ${"x".repeat(1_000)}`);
    let next = 0;
    await eventually("all arrive", () => {
      for (; next < sent.length && next - far.received.length < 100; next++) near.send(far, sent[next] ?? "");
      return far.received.length === sent.length;
    });
    expect(far.received).toEqual(sent);
    far.send(near, "back");
    await eventually("the answer arrives", () => near.received[0] === "back");
    expect(dialled).toMatchObject([{ host: "127.0.0.1", port: sshd.port }]);
    expect(near.transport.addressOf(far.publicKey)).toBe(far.endpoints[0]);
    expect(problemsOf(near)).toEqual([]);
  });

  it("is the same connection for several peers, and is left when none needs it", async () => {
    await using sshd = await StockSshd.start();
    const timings = { ...QUICK, idleMs: 500, keepaliveMs: 100 };
    await using pair = await openPair(jumpOptions(sshd), { timings });
    await using third = await SshNode.open();
    const { near, far, dialled } = pair;
    near.transport.setPeers([far.entry(), third.entry()]);
    third.transport.setPeers([near.entry()]);
    await Promise.all([near.connect(far), near.connect(third)]);
    expect(dialled).toHaveLength(1);
    await eventually("it is left", () => /Disconnected from user root/.test(sshd.log));
    expect(near.transport.isOpenTo(far.publicKey)).toBe(false);
    await near.connect(far);
    expect(dialled).toHaveLength(2);
  });

  it("gets new keys by bytes, and data flows on", async () => {
    await using sshd = await StockSshd.start({ settings: ["LogLevel DEBUG1"] });
    const limits = { rekeyAfterBytes: 300_000 };
    await using pair = await openPair(jumpOptions(sshd), { limits, timings: { ...QUICK, keepaliveMs: 50 } });
    const { near, far, dialled } = pair;
    await near.connect(far);
    const rekeys = () => sshd.log.match(/SSH2_MSG_KEXINIT received/g)?.length ?? 0;
    let sent = 0;
    await eventually(
      "four key exchanges",
      () => {
        for (; sent - far.received.length < 100; sent++) near.send(far, `${sent} ${"x".repeat(1_000)}`);
        return rekeys() >= 4;
      },
      { timeoutMs: 30_000 },
    );
    await eventually("all arrive", () => far.received.length === sent);
    expect(far.received.map((text) => Number.parseInt(text, 10))).toEqual(Array.from({ length: sent }, (_, i) => i));
    expect(dialled).toHaveLength(1);
  });

  it("is connected to again when it comes back", async () => {
    await using sshd = await StockSshd.start();
    await using pair = await openPair(jumpOptions(sshd));
    const { near, far } = pair;
    await near.connect(far);
    await sshd.stop();
    await near.isClosedTo(far);
    await eventually("that it is away is told", () => problemsOf(near)[0] === "ssh-jump-unreachable");
    await sshd.startAgain();
    await near.isOpenTo(far);
    expect(problemsOf(near)).toEqual([]);
  });

  it.each(["ed25519", "ecdsa", "rsa"] as const)("is known by its %s key, and lets in by one", async (type) => {
    await using sshd = await StockSshd.start();
    const identityFile = await makeKey(join(sshd.directory, "another"), type);
    await mustRun("cp", [`${identityFile}.pub`, join(sshd.directory, "authorized_keys")]);
    const knownHostsFile = sshd.write("known_hosts", sshd.knownHostsLine(type));
    await using pair = await openPair(jumpOptions(sshd, { knownHostsFile, identityFile }));
    await pair.near.connect(pair.far);
  });

  it("is known by a name that ssh-keygen has hashed", async () => {
    await using sshd = await StockSshd.start();
    const knownHostsFile = sshd.write("hashed", sshd.knownHostsLine());
    await mustRun("ssh-keygen", ["-H", "-f", knownHostsFile]);
    await using pair = await openPair(jumpOptions(sshd, { knownHostsFile }));
    await pair.near.connect(pair.far);
  });
});

describe("a jump host that is of no use", { timeout: 60_000 }, () => {
  const fails = async (jump: JumpOptions, code: string) => {
    await using pair = await openPair(jump);
    const { near, far } = pair;
    near.transport.want(far.publicKey);
    await eventually("why is told", () => problemsOf(near).length > 0);
    expect(problemsOf(near)).toEqual([code]);
    expect(near.transport.isOpenTo(far.publicKey)).toBe(false);
    return near.transport.problems[0]?.message;
  };

  it("shows a key that is not the one in known_hosts, and gets no log-in", async () => {
    await using sshd = await StockSshd.start();
    await using other = await StockSshd.start();
    const line = other.knownHostsLine().replace(`:${other.port} `, `:${sshd.port} `);
    const knownHostsFile = sshd.write("known_hosts", line);
    const message = await fails(jumpOptions(sshd, { knownHostsFile }), "ssh-host-key-changed");
    expect(message).toContain(knownHostsFile);
    expect(sshd.log).not.toMatch(/Accepted publickey/);
  });

  it("shows a key that is revoked", async () => {
    await using sshd = await StockSshd.start();
    const knownHostsFile = sshd.write("known_hosts", `${sshd.knownHostsLine()}@revoked ${sshd.knownHostsLine()}`);
    await fails(jumpOptions(sshd, { knownHostsFile }), "ssh-host-key-changed");
  });

  it("does not let the user in", async () => {
    await using sshd = await StockSshd.start();
    const identityFile = await makeKey(join(sshd.directory, "unknown"));
    await fails(jumpOptions(sshd, { identityFile }), "ssh-jump-refused");
  });

  it("forwards nothing", async () => {
    await using sshd = await StockSshd.start({ settings: ["AllowTcpForwarding no"] });
    await fails(jumpOptions(sshd), "ssh-jump-refused");
  });

  it("is away", async () => {
    await using sshd = await StockSshd.start();
    await sshd.stop();
    await fails(jumpOptions(sshd), "ssh-jump-unreachable");
  });

  it("that only one peer cannot be reached from is no problem of its own", async () => {
    await using sshd = await StockSshd.start();
    await using pair = await openPair(jumpOptions(sshd));
    const { near, far } = pair;
    near.transport.setPeers([far.entry({ sshEndpoints: ["127.0.0.1:1"] })]);
    near.transport.want(far.publicKey);
    await eventually("the dial fails", () => near.transport.attemptsOf(far.publicKey)[0]?.outcome === "failed");
    expect(problemsOf(near)).toEqual([]);
  });
});

describe("what is wrong with the options of a jump host", () => {
  it("is told before anything starts", async () => {
    const directory = mkdtempSync(join(tmpdir(), "ssh-jump-"));
    try {
      const identityFile = await makeKey(join(directory, "identity"));
      const locked = await makeKey(join(directory, "locked"), "ed25519", "a passphrase");
      const knownHostsFile = `${identityFile}.pub`;
      const jump = { host: "bastion", port: 22, user: "user", identityFile, knownHostsFile };
      const codeOf = (changes: Partial<JumpOptions>) =>
        SshNode.open({ jump: { ...jump, ...changes } }).then(
          () => "no error",
          (failure) => failure.code,
        );
      expect(await codeOf({ identityFile: join(directory, "missing") })).toBe("ssh-identity-unusable");
      expect(await codeOf({ identityFile: locked })).toBe("ssh-identity-unusable");
      expect(await codeOf({ identityFile: `${identityFile}.pub` })).toBe("ssh-identity-unusable");
      expect(await codeOf({ knownHostsFile: join(directory, "missing") })).toBe("ssh-host-key-unknown");
      expect(await codeOf({})).toBe("ssh-host-key-unknown");
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
