import { randomFillSync } from "node:crypto";
import { beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import type { DataCommand } from "../../../src/router/commands.ts";
import { NO_PREFERENCE, type TransportPreference } from "../../../src/router/paths/events.ts";
import { PeerSet } from "../../../src/router/peer-set.ts";
import { TunnelPaths } from "../../../src/router/tunnel-paths.ts";
import {
  emptyPipeStats,
  type PipeTransport,
  type PipeTransportName,
} from "../../../src/transports/pipe/pipe-transport.ts";
import { selectHandshakeCrypto } from "../../../src/wireguard/crypto/select.ts";
import { Device } from "../../../src/wireguard/device.ts";
import { KeySlots, PeerCells } from "../../../src/wireguard/shared-state.ts";

const { crypto } = selectHandshakeCrypto();
const MAX_PEERS = 4;
const bob = Buffer.from(crypto.x25519Key(new Uint8Array(32).fill(7)).publicKey).toString("base64");

/** A transport that leads to everybody at once; what goes into it is of no interest here. */
class OpenPipe implements PipeTransport {
  readonly transport: PipeTransportName;
  readonly stats = emptyPipeStats();

  constructor(transport: PipeTransportName) {
    this.transport = transport;
  }
  isOpenTo() {
    return true;
  }
  addressOf() {
    return this.transport;
  }
  want() {}
  send() {
    return true;
  }
  async close() {}
  async [Symbol.asyncDispose]() {}
}

let peers: PeerSet;
let paths: TunnelPaths;
let decisions: string[];
/** Where the data thread knows a path, by its number. */
let known: Map<number, string>;
let wanted: TransportPreference | undefined;

function note(commands: readonly DataCommand[]): void {
  for (const command of commands) {
    if (command.type === "set-path") known.set(command.path, paths.describe(command.endpoint).transport);
    else if (command.type === "remove-path") known.delete(command.path);
  }
}

function configure(preference?: TransportPreference): string[] {
  wanted = preference;
  const peer = {
    publicKey: bob,
    allowedIps: ["10.86.0.3/32"],
    endpoints: ["192.0.2.3:51820", "[2001:db8::3]:51820"],
    persistentKeepaliveSeconds: 0,
    hasPaths: true,
    ...(preference === undefined ? {} : { preference }),
  };
  note([...peers.reconcile([paths.withPipes(peer)], systemClock.monotonicMs()), ...paths.configure()]);
  return [...known.values()].sort();
}

beforeEach(() => {
  decisions = [];
  known = new Map();
  const device = new Device(
    { privateKey: new Uint8Array(32).fill(9) },
    {
      crypto,
      random: (bytes) => void randomFillSync(bytes),
      wallMs: () => systemClock.wallMs(),
      cells: new PeerCells(MAX_PEERS),
      slots: new KeySlots(16),
    },
  );
  peers = new PeerSet(device, silentLogger);
  paths = new TunnelPaths({
    clock: systemClock,
    device,
    peers,
    maxPeers: MAX_PEERS,
    wake: () => {},
    carryOut: note,
    onCandidates: () => configure(wanted),
    ranges: [],
  });
  paths.onDecision(({ path, reason }) => decisions.push(`${path?.transport ?? "none"}: ${reason}`));
  for (const transport of ["ssh", "relay"] as const) paths.attach(() => new OpenPipe(transport));
});

describe("a peer's preference among transports", () => {
  it("has everything among the candidates where nobody asked for anything", () => {
    expect(configure()).toEqual(["relay", "ssh", "udp", "udp"]);
  });

  it("leaves out what is excluded, and what is not in the order", () => {
    expect(configure({ ...NO_PREFERENCE, excluded: ["udp"] })).toEqual(["relay", "ssh"]);
    expect(configure({ ...NO_PREFERENCE, order: ["udp"] })).toEqual(["udp", "udp"]);
  });

  it("takes candidates back when they are allowed again", () => {
    configure({ ...NO_PREFERENCE, excluded: ["udp", "ssh"] });
    expect(configure()).toEqual(["relay", "ssh", "udp", "udp"]);
  });

  it("counts from the first choice on, for a peer that is configured with it", () => {
    configure({ ...NO_PREFERENCE, preferred: "relay" });
    note(paths.sessionUp(peers.get(bob)!.id));
    expect(decisions).toEqual(["relay: relay is open"]);
  });

  it("makes path selection leave a path at once, and say why", () => {
    configure();
    const { id } = peers.get(bob)!;
    note(paths.sessionUp(id));
    expect(decisions.map((decision) => decision.split(":")[0])).toEqual(["udp"]);
    configure({ ...NO_PREFERENCE, excluded: ["udp"] });
    expect(decisions.at(-1)).toBe("ssh: UDP is excluded for this peer");
    expect(
      paths
        .statusOf(id)
        ?.all.map(({ transport }) => transport)
        .sort(),
    ).toEqual(["relay", "ssh"]);
  });
});
