import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { silentLogger } from "../../../src/base/logger.ts";
import { UapiServer } from "../../../src/daemon/uapi/uapi.ts";
import { Lab } from "../../support/lab/lab.ts";
import { makeKeyPair, makePresharedKey } from "../../support/wireguard-lab/keys.ts";
import { StaticPeer } from "../../support/wireguard-lab/static-peer.ts";
import type { PeerSetting } from "../../support/wireguard-lab/wireguard-end.ts";

const PEERS = 300;
const PREFIXES_PER_PEER = 200;

describe("15: a very long configuration", () => {
  it(`${PEERS} peers with ${PREFIXES_PER_PEER} prefixes each: taken, and shown whole by the status and by wg`, async () => {
    await using lab = await Lab.open();
    const peers = Array.from({ length: PEERS }, (_, i) => peerSetting(i));
    const setup = { ...makeKeyPair(), addresses: ["10.0.0.1/32"], mtu: 1420, peers };
    const tunnel = lab.use(await StaticPeer.start(await lab.host("crowded"), setup));
    const { peers: shown } = await tunnel.status();
    const expected = new Map(peers.map((peer) => [peer.publicKey, new Set(peer.allowedIps)]));
    expect(new Map(shown.map((peer) => [peer.publicKey, new Set(peer.allowedIps)]))).toEqual(expected);

    const name = `mtd${process.pid}`.slice(0, 15);
    const device = () => ({ privateKey: Buffer.alloc(32, 3), listenPort: 51820, fwmark: 0, peers: shown });
    await using server = await UapiServer.open(UapiServer.socketPath(name), device, { logger: silentLogger });
    expect(server).toBeDefined();
    const { stdout } = await promisify(execFile)("wg", ["show", name, "dump"], { maxBuffer: 64 * 2 ** 20 });
    const lines = stdout.trim().split("\n").slice(1);
    const dumped = lines.map((line) => line.split("\t"));
    expect(new Map(dumped.map(([key, , , prefixes]) => [key, new Set(prefixes?.split(","))]))).toEqual(expected);

    // A change of one peer among so many is as exact as ever.
    await tunnel.setPeers([...peers.slice(1), { ...peers[0]!, allowedIps: ["10.200.0.0/16"] }]);
    const changed = (await tunnel.status()).peers.find(({ publicKey }) => publicKey === peers[0]!.publicKey);
    expect(changed?.allowedIps).toEqual(["10.200.0.0/16"]);
    await tunnel.setPeers([]);
    expect((await tunnel.status()).peers).toEqual([]);
  });
});

/** Prefixes of both families, of every length that keeps them apart. */
function peerSetting(i: number): PeerSetting {
  const prefix = (j: number) => {
    const n = i * PREFIXES_PER_PEER + j;
    const [high, low] = [(n >> 8) & 0xff, n & 0xff];
    if (j % 2 === 0) return `10.${100 + (n >> 16)}.${high}.${low}/32`;
    return `fd00:${(n >> 16).toString(16)}:${(n & 0xffff).toString(16)}::/${48 + (j % 80)}`;
  };
  return {
    publicKey: makeKeyPair().publicKey,
    presharedKey: makePresharedKey(),
    allowedIps: Array.from({ length: PREFIXES_PER_PEER }, (_, j) => prefix(j)),
    persistentKeepaliveSeconds: 0,
  };
}
