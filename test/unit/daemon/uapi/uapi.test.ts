import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { errnoOf } from "../../../../src/base/errors.ts";
import { silentLogger } from "../../../../src/base/logger.ts";
import { UapiServer } from "../../../../src/daemon/uapi/uapi.ts";
import type { TunnelPeerStatus } from "../../../../src/router/tunnel/tunnel.ts";
import { randomKey } from "../../../support/network-map.ts";

const PEERS = 3000;

describe("the UAPI socket", () => {
  let directory: string;
  let path: string;
  let server: UapiServer | undefined;
  const peers: TunnelPeerStatus[] = Array.from({ length: PEERS }, (_, index) => ({
    publicKey: randomKey(),
    endpoint: `192.0.2.1:${index + 1}`,
    allowedIps: Array.from({ length: 20 }, (_prefix, host) => `10.${index >> 8}.${index & 255}.${host}/32`),
    lastHandshakeAtMs: null,
    handshakes: 0,
    sessionUp: false,
    rxBytes: 0,
    txBytes: 0,
    rxMessages: 0,
    txMessages: 0,
    drops: {},
    persistentKeepaliveSeconds: 0,
    paths: undefined,
  }));

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "mesh-uapi-"));
    path = join(directory, "mesh0.sock");
    const device = () => ({ privateKey: Buffer.alloc(32, 3), listenPort: 51820, fwmark: 0, peers });
    server = await UapiServer.open(path, device, { logger: silentLogger });
  });
  afterEach(async () => {
    await server?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Everything that comes until the server hangs up or has sent an errno line. */
  function ask(request: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(path, () => socket.write(request));
      let answer = "";
      socket.setEncoding("latin1");
      socket.on("data", (text) => {
        answer += text;
        if (/errno=-?\d+\n\n$/.test(answer)) socket.end();
      });
      socket.once("error", (failure) => errnoOf(failure) !== "ECONNRESET" && reject(failure));
      socket.once("close", () => resolve(answer));
    });
  }

  it("streams a dump of thousands of peers whole, in order", async () => {
    const dump = await ask("get=1\n\n");
    const keys = [...dump.matchAll(/^public_key=([0-9a-f]{64})$/gm)].map(([, hex]) => hex);
    expect(keys).toEqual(peers.map(({ publicKey }) => Buffer.from(publicKey, "base64").toString("hex")));
    expect(dump.match(/^allowed_ip=/gm)).toHaveLength(PEERS * 20);
    expect(dump.endsWith("errno=0\n\n")).toBe(true);
  });

  it("refuses to be configured, with the number that wg shows as not permitted", async () => {
    const secret = "00".repeat(32);
    expect(await ask(`set=1\nprivate_key=${secret}\nreplace_peers=true\n\n`)).toBe("errno=-1\n\n");
    expect(await ask("get=1\n\n")).toContain(`private_key=${"03".repeat(32)}`);
  });

  it("answers nonsense with an error, and hangs up on a line without end", async () => {
    expect(await ask("hello\n\n")).toBe("errno=-71\n\n");
    expect(await ask("x".repeat(100_000))).toBe("");
  });

  it("survives a client that leaves in the middle", async () => {
    await new Promise<void>((resolve) => {
      const socket = connect(path, () => socket.write("get=1\n\n"));
      socket.once("data", () => socket.destroy());
      socket.once("close", () => resolve());
    });
    expect(await ask("set=1\n\n")).toBe("errno=-1\n\n");
  });

  it("leaves a name alone that a live process serves", async () => {
    const device = () => ({ privateKey: Buffer.alloc(32), listenPort: 1, fwmark: 0, peers: [] });
    expect(await UapiServer.open(path, device, { logger: silentLogger })).toBeUndefined();
    expect(await ask("get=1\n\n")).toContain("listen_port=51820");
  });
});
