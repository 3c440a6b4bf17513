import { randomFillSync } from "node:crypto";
import { beforeEach, describe, expect, it } from "vitest";
import { type Logger, silentLogger } from "../../../../src/base/logger.ts";
import { formatCidr } from "../../../../src/packet/cidr.ts";
import type { DataCommand } from "../../../../src/router/shared/commands.ts";
import { PeerSet } from "../../../../src/router/tunnel/peer-set.ts";
import type { TunnelPeerConfig } from "../../../../src/router/tunnel/tunnel-types.ts";
import { selectHandshakeCrypto } from "../../../../src/wireguard/crypto/select.ts";
import { Device } from "../../../../src/wireguard/device.ts";
import { KeySlots, PeerCells } from "../../../../src/wireguard/shared-state.ts";

const { crypto } = selectHandshakeCrypto();
const ownPrivateKey = new Uint8Array(32).fill(9);
const NOW_MS = 1000;

let set: PeerSet;
let warnings: string[];

beforeEach(() => {
  warnings = [];
  const device = new Device(
    { privateKey: ownPrivateKey },
    {
      crypto,
      random: (bytes) => void randomFillSync(bytes),
      wallMs: () => NOW_MS,
      cells: new PeerCells(4),
      slots: new KeySlots(16),
    },
  );
  const logger: Logger = { ...silentLogger, warn: (_fields, message) => warnings.push(message) };
  set = new PeerSet(device, logger);
});

function keyOf(seed: number): string {
  return Buffer.from(crypto.x25519Key(new Uint8Array(32).fill(seed)).publicKey).toString("base64");
}

function peer(seed: number, allowedIps: readonly string[], change: Partial<TunnelPeerConfig> = {}): TunnelPeerConfig {
  return { publicKey: keyOf(seed), allowedIps, endpoints: [], persistentKeepaliveSeconds: 0, ...change };
}

/** Commands in short: what happens to which peer, with the prefix where there is one. */
function reconcile(...desired: readonly TunnelPeerConfig[]): string[] {
  return set.reconcile(desired, NOW_MS).map((command: DataCommand) => {
    const subject = "peer" in command ? ` ${command.peer}` : "";
    return `${command.type}${subject}${"prefixBits" in command ? ` ${formatCidr(command)}` : ""}`;
  });
}

function prefixesOf(seed: number): string[] {
  return set.ownedPrefixes(set.get(keyOf(seed))!);
}

describe("reconciling peers", () => {
  it("adds what is new, and does nothing the second time", () => {
    const desired = [peer(1, ["10.0.0.1/32", "fd00::1/128"]), peer(2, ["10.0.0.2/32"])];
    expect(reconcile(...desired)).toEqual([
      "add-peer 0",
      "add-peer 1",
      "allow 0 10.0.0.1/32",
      "allow 0 fd00::1/128",
      "allow 1 10.0.0.2/32",
    ]);
    expect(reconcile(...desired)).toEqual([]);
    expect(Array.from(set, ({ publicKey }) => publicKey)).toEqual([keyOf(1), keyOf(2)]);
  });

  it("removes what is gone", () => {
    reconcile(peer(1, ["10.0.0.1/32"]), peer(2, ["10.0.0.2/32"]));
    expect(reconcile(peer(2, ["10.0.0.2/32"]))).toEqual(["remove-peer 0"]);
    expect(set.get(keyOf(1))).toBeUndefined();
  });

  it("takes prefixes away and gives them, without touching the peer", () => {
    reconcile(peer(1, ["10.0.0.1/32", "10.1.0.0/16"]));
    expect(reconcile(peer(1, ["10.0.0.1/32", "10.2.0.0/16"]))).toEqual([
      "disallow 0 10.1.0.0/16",
      "allow 0 10.2.0.0/16",
    ]);
  });

  it("gives a prefix that two peers name to the later one, and back when that one lets go", () => {
    reconcile(peer(1, ["10.0.0.0/24"]));
    expect(reconcile(peer(1, ["10.0.0.0/24"]), peer(2, ["10.0.0.0/24"]))).toEqual([
      "add-peer 1",
      "allow 1 10.0.0.0/24",
    ]);
    expect([prefixesOf(1), prefixesOf(2)]).toEqual([[], ["10.0.0.0/24"]]);
    expect(reconcile(peer(1, ["10.0.0.0/24"]), peer(2, []))).toEqual(["allow 0 10.0.0.0/24"]);
    expect(reconcile(peer(1, ["10.0.0.0/24"]))).toEqual(["remove-peer 1"]);
    expect(prefixesOf(1)).toEqual(["10.0.0.0/24"]);
  });

  it("gives a removed peer's prefix to whoever wants it next", () => {
    reconcile(peer(1, ["10.0.0.0/24"]));
    expect(reconcile(peer(2, ["10.0.0.0/24"]))).toEqual(["remove-peer 0", "add-peer 0", "allow 0 10.0.0.0/24"]);
  });

  it.each([
    ["a key that is none", { publicKey: "AAAA" }],
    ["our own key", { publicKey: keyOf(9) }],
    ["a prefix that is none", { allowedIps: ["10.0.0.1/33"] }],
    ["host bits in a prefix", { allowedIps: ["10.0.0.1/24"] }],
    ["an endpoint that is none", { endpoints: ["example.org:1"] }],
  ])("leaves out a peer with %s, and keeps the others", (_what, change) => {
    const commands = reconcile(peer(1, ["10.0.0.1/32"], change), peer(2, ["10.0.0.2/32"]));
    expect(commands).toEqual(["add-peer 0", "allow 0 10.0.0.2/32"]);
    expect(warnings).toHaveLength(1);
  });
});
