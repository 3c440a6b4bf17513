import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { silentLogger } from "../../src/base/logger.ts";
import { UapiServer } from "../../src/daemon/uapi/uapi.ts";
import type { TunnelPeerStatus } from "../../src/router/tunnel/tunnel.ts";
import { randomKey } from "../support/network-map.ts";

describe("the stock wg tool", () => {
  const interfaceName = `mt${process.pid}`.slice(0, 15);
  const publicKey = randomKey();
  let server: UapiServer | undefined;

  afterEach(() => server?.close());

  it("shows what the socket says, and is not permitted to change it", async () => {
    const peer: TunnelPeerStatus = {
      publicKey,
      endpoint: "[2001:db8::7]:4500",
      allowedIps: ["10.86.0.2/32", "fd86::2/128"],
      lastHandshakeAtMs: 1_700_000_000_000,
      handshakes: 0,
      sessionUp: true,
      rxBytes: 5 * 2 ** 40,
      txBytes: 148,
      rxMessages: 1,
      txMessages: 1,
      drops: {},
      persistentKeepaliveSeconds: 25,
      paths: undefined,
    };
    const device = () => ({ privateKey: Buffer.alloc(32, 3), listenPort: 51820, fwmark: 0, peers: [peer] });
    server = await UapiServer.open(UapiServer.socketPath(interfaceName), device, { logger: silentLogger });
    const { stdout } = await promisify(execFile)("wg", ["show", interfaceName, "dump"]);
    const [, line] = stdout.trim().split("\n");
    expect(line?.split("\t")).toEqual([
      publicKey,
      "(none)",
      "[2001:db8::7]:4500",
      "10.86.0.2/32,fd86::2/128",
      "1700000000",
      String(5 * 2 ** 40),
      "148",
      "25",
    ]);
    const change = promisify(execFile)("wg", ["set", interfaceName, "listen-port", "1"]);
    await expect(change).rejects.toMatchObject({ stderr: expect.stringContaining("Operation not permitted") });
  });
});
