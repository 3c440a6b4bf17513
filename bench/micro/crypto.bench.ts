/**
 * Micro-benchmarks of WireGuard's cryptography: microseconds per message for each AEAD provider, handshakes per second
 * for each set of handshake primitives. A plain script; compile it first:
 *
 *     npx tsc -p bench/micro && node dist/bench/bench/micro/crypto.bench.js
 */
import { randomFillSync } from "node:crypto";
import { selectAeadProvider } from "../../src/wireguard/aead/select.ts";
import { DATA_OVERHEAD_BYTES } from "../../src/wireguard/constants.ts";
import type { HandshakeCrypto } from "../../src/wireguard/crypto/handshake-crypto.ts";
import { nobleCrypto } from "../../src/wireguard/crypto/noble.ts";
import { nodeCrypto } from "../../src/wireguard/crypto/node.ts";
import { Device } from "../../src/wireguard/device.ts";
import type { EngineAction } from "../../src/wireguard/engine.ts";
import { ReplayWindow } from "../../src/wireguard/replay-window.ts";
import { KeySlots, PeerCells } from "../../src/wireguard/shared-state.ts";

const ROUND_MS = 300;
const ROUNDS = 5;
const PAYLOAD_BYTES = 1420;
const MESSAGES = 44;

/** The median of a few rounds, in microseconds per unit; one call of `run` does `units`, `prepare` is not counted. */
function measure(name: string, units: number, run: () => void, prepare: () => void = () => {}): number {
  const round = (): number => {
    let busyMs = 0;
    let calls = 0;
    while (busyMs < ROUND_MS) {
      prepare();
      const startedMs = performance.now();
      run();
      busyMs += performance.now() - startedMs;
      calls++;
    }
    return (busyMs * 1000) / (calls * units);
  };
  round();
  const rounds = Array.from({ length: ROUNDS }, round).sort((a, b) => a - b);
  const medianUs = rounds[ROUNDS >> 1] as number;
  console.log(`${name.padEnd(58)} ${medianUs.toFixed(2).padStart(9)} µs`);
  return medianUs;
}

for (const name of ["openssl", "sodium", "noble"] as const) {
  const { provider } = selectAeadProvider(name);
  const key = new Uint8Array(32).fill(7);
  const sealer = provider.createSealer(key);
  const opener = provider.createOpener(key);
  const verdicts = new Uint8Array(MESSAGES);
  for (const [payloadBytes, count] of [
    [PAYLOAD_BYTES, MESSAGES],
    [PAYLOAD_BYTES, 1],
    [64, MESSAGES],
  ] as const) {
    const strideBytes = payloadBytes + DATA_OVERHEAD_BYTES;
    const arena = new Uint8Array(strideBytes * count);
    let counter = 0;
    measure(`${name}: seal ${payloadBytes} B, ${count} a call`, count, () => {
      sealer.seal(arena, 0, strideBytes, count, strideBytes, counter);
      counter += count;
    });
    const sealed = arena.slice();
    measure(
      `${name}: open ${payloadBytes} B, ${count} a call`,
      count,
      () => opener.open(arena, 0, arena.length, strideBytes, verdicts),
      () => arena.set(sealed),
    );
  }
}

{
  const window = new ReplayWindow();
  let counter = 0;
  measure("replay window: commit in order", 1000, () => {
    for (let i = 0; i < 1000; i++) window.commit(counter++);
  });
}

/** Two engines that renew one session again and again, their messages handed over by hand. */
function handshakePair(crypto: HandshakeCrypto): () => void {
  let nowMs = 1000;
  const keys = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)].map((key) => crypto.x25519Key(key).publicKey);
  const [a, b] = [1, 2].map((n) => {
    const privateKey = new Uint8Array(32).fill(n);
    const deps = {
      crypto,
      random: (bytes: Uint8Array) => void randomFillSync(bytes),
      wallMs: () => nowMs,
      cells: new PeerCells(1),
      slots: new KeySlots(8),
    };
    const device = new Device({ privateKey }, deps);
    const publicKey = keys[2 - n] as Uint8Array;
    const candidates = [{ address: "192.0.2.1", port: 1 }];
    const config = { publicKey, presharedKey: new Uint8Array(32), candidates, persistentKeepaliveSeconds: 0 };
    return { device, peer: device.addPeer(config, nowMs) };
  }) as [{ device: Device; peer: number }, { device: Device; peer: number }];

  const source = { address: "192.0.2.1", port: 1 };
  const takeBytes = (device: Device, actions: EngineAction[]): Uint8Array | undefined => {
    let bytes: Uint8Array | undefined;
    for (const action of actions) {
      if (action.type === "send") bytes = action.bytes;
      if (action.type === "install-keypair") device.handle({ type: "slot-wiped", slot: action.slot }, nowMs);
    }
    return bytes;
  };
  return () => {
    nowMs += 10_000;
    const initiation = takeBytes(a.device, a.device.handle({ type: "need-handshake", peer: a.peer }, nowMs));
    if (initiation === undefined) throw new Error("no initiation");
    const response = takeBytes(b.device, b.device.handle({ type: "datagram", bytes: initiation, source }, nowMs));
    if (response === undefined) throw new Error("no response");
    takeBytes(a.device, a.device.handle({ type: "datagram", bytes: response, source }, nowMs));
  };
}

for (const crypto of [nodeCrypto, nobleCrypto]) {
  const handshakeUs = measure(`handshake, both sides, ${crypto.name}`, 1, handshakePair(crypto));
  console.log(`${`handshakes a second, both sides, ${crypto.name}`.padEnd(58)} ${Math.round(1e6 / handshakeUs)}`);
}
