import { BoundedRing } from "../../src/base/ring.ts";
import { type Endpoint, isPipe, type UdpEndpoint } from "../../src/packet/endpoint.ts";
import type { AeadProvider } from "../../src/wireguard/aead/provider.ts";
import { selectAeadProvider } from "../../src/wireguard/aead/select.ts";

import {
  COOKIE_REPLY_BYTES,
  DATA_HEADER_BYTES,
  DATA_OVERHEAD_BYTES,
  TAG_BYTES,
  WHITEPAPER_TIMINGS,
  type WireGuardTimings,
} from "../../src/wireguard/constants.ts";
import { selectHandshakeCrypto } from "../../src/wireguard/crypto/select.ts";
import { dataMessageBytes, isDataMessage, readReceiverIndex } from "../../src/wireguard/data-header.ts";
import { Device } from "../../src/wireguard/device.ts";
import type { EngineAction, EngineEvent, EnginePeerConfig } from "../../src/wireguard/engine.ts";
import type { RandomFill } from "../../src/wireguard/index-table.ts";
import { OpenVerdict } from "../../src/wireguard/keypair.ts";
import type { HandshakeLimits, MessageLimits } from "../../src/wireguard/limits.ts";
import { MAX_STAGED_PACKETS, MESSAGE_LIMITS, SLOTS_PER_PEER } from "../../src/wireguard/limits.ts";
import { recordReceived, recordSent } from "../../src/wireguard/peer-activity.ts";
import { SessionTable } from "../../src/wireguard/session-table.ts";
import { KeySlots, PeerCells } from "../../src/wireguard/shared-state.ts";

const { crypto } = selectHandshakeCrypto();
const { provider: fastProvider } = selectAeadProvider();
const MTU_BYTES = 1420;
const MAX_PEERS = 8;

export interface WireGuardNodeOptions {
  readonly privateKey?: Uint8Array;
  readonly timings?: WireGuardTimings;
  readonly handshakeLimits?: HandshakeLimits;
  readonly messageLimits?: MessageLimits;
  readonly provider?: AeadProvider;
}

export interface WireGuardNodeDeps {
  readonly nowMs: () => number;
  readonly wallMs: () => number;
  readonly random: RandomFill;
  readonly send: (bytes: Uint8Array, destination: UdpEndpoint) => void;
}

/**
 * One end of WireGuard without a TUN: the engine, and a data plane as small as it can be (one thread, one message at a
 * time). Whoever owns it brings datagrams and time; plaintexts come out in `received`.
 */
export class WireGuardNode {
  readonly device: Device;
  readonly cells = new PeerCells(MAX_PEERS);
  readonly slots = new KeySlots(MAX_PEERS * SLOTS_PER_PEER);
  readonly sessions: SessionTable;
  readonly received: { readonly peer: number; readonly payload: Uint8Array }[] = [];
  readonly actions: EngineAction[] = [];
  keepalivesSent = 0;
  keepalivesReceived = 0;
  forged = 0;
  replayed = 0;
  unroutable = 0;
  #cookieReplies = 0;
  readonly #deps: WireGuardNodeDeps;
  readonly #endpoints = new Map<number, UdpEndpoint>();
  readonly #staged = new Map<number, BoundedRing<Uint8Array>>();
  readonly #wipedSlots: number[] = [];
  readonly #verdict = new Uint8Array(1);

  constructor(options: WireGuardNodeOptions, deps: WireGuardNodeDeps) {
    this.#deps = deps;
    const timings = options.timings ?? WHITEPAPER_TIMINGS;
    this.device = new Device(
      {
        timings,
        ...(options.privateKey === undefined ? {} : { privateKey: options.privateKey }),
        ...(options.handshakeLimits === undefined ? {} : { handshakeLimits: options.handshakeLimits }),
      },
      { crypto, random: deps.random, wallMs: deps.wallMs, cells: this.cells, slots: this.slots },
    );
    this.sessions = new SessionTable({
      provider: options.provider ?? fastProvider,
      slots: this.slots,
      cells: this.cells,
      timings,
      limits: options.messageLimits ?? MESSAGE_LIMITS,
      onSlotWiped: (slot) => this.#wipedSlots.push(slot),
    });
  }

  addPeer(config: Partial<EnginePeerConfig> & { readonly publicKey: Uint8Array }): number {
    const complete = { presharedKey: new Uint8Array(32), candidates: [], persistentKeepaliveSeconds: 0, ...config };
    return this.device.addPeer(complete, this.#deps.nowMs());
  }

  endpoint(peer: number): UdpEndpoint | undefined {
    return this.#endpoints.get(peer);
  }

  stagedCount(peer: number): number {
    return this.#staged.get(peer)?.size ?? 0;
  }

  tell(event: EngineEvent): void {
    this.perform(this.device.handle(event, this.#deps.nowMs()));
  }

  tick(): void {
    this.tell({ type: "tick" });
  }

  send(peer: number, payload: Uint8Array): void {
    const keypair = this.sessions.usable(peer, this.#deps.nowMs());
    if (keypair !== undefined && this.#sealAndSend(peer, payload)) return;
    this.#stage(peer).push(payload);
    this.tell({ type: "need-handshake", peer });
  }

  receive(datagram: Uint8Array, source: UdpEndpoint): void {
    if (isDataMessage(datagram, 0, datagram.length)) this.#receiveData(datagram, source);
    else this.#receiveHandshake(datagram, source);
  }

  /** Cookie replies that were true. */
  get cookiesTaken(): number {
    return this.#cookieReplies - this.device.drops["bad-cookie"] - this.device.drops["unknown-index"];
  }

  perform(actions: readonly EngineAction[]): void {
    for (const action of actions) {
      this.actions.push(action);
      this.#performOne(action);
    }
    for (let slot = this.#wipedSlots.pop(); slot !== undefined; slot = this.#wipedSlots.pop()) {
      this.tell({ type: "slot-wiped", slot });
    }
  }

  #receiveHandshake(datagram: Uint8Array, source: UdpEndpoint): void {
    if (datagram.length === COOKIE_REPLY_BYTES) this.#cookieReplies++;
    this.tell({ type: "datagram", bytes: datagram, source });
  }

  #performOne(action: EngineAction): void {
    switch (action.type) {
      case "send":
        for (const destination of action.destinations) this.#deps.send(action.bytes, overUdp(destination));
        return;
      case "install-keypair":
        this.sessions.install(action);
        return;
      case "remove-keypair":
        this.sessions.remove(action.peer, action.slot);
        return;
      case "send-keepalive":
        this.#sealAndSend(action.peer, new Uint8Array(0));
        return;
      case "send-staged":
        this.#sendStaged(action.peer, true);
        return;
      case "drop-staged":
        this.#stage(action.peer).clear();
        return;
      case "set-endpoint":
        this.#endpoints.set(action.peer, overUdp(action.endpoint));
        return;
    }
  }

  #receiveData(datagram: Uint8Array, source: UdpEndpoint): void {
    const nowMs = this.#deps.nowMs();
    const keypair = this.sessions.byReceiverIndex(readReceiverIndex(datagram, 0));
    if (keypair === undefined || keypair.isExpired(nowMs)) {
      this.unroutable++;
      return;
    }
    const arena = new Uint8Array(datagram);
    keypair.open(arena, 0, arena.length, arena.length, this.#verdict);
    if (this.#verdict[0] === OpenVerdict.forged) this.forged++;
    if (this.#verdict[0] === OpenVerdict.replayed) this.replayed++;
    if (this.#verdict[0] !== OpenVerdict.fresh) return;
    const { peer } = keypair;
    const hasPayload = arena.length > DATA_OVERHEAD_BYTES;
    recordReceived(this.cells, peer, nowMs, 1, arena.length, hasPayload);
    if (this.sessions.confirm(keypair)) {
      this.tell({ type: "promoted", peer, slot: keypair.slot });
      this.#sendStaged(peer, false);
    }
    const known = this.#endpoints.get(peer);
    if (known?.address !== source.address || known.port !== source.port) {
      this.#endpoints.set(peer, source);
      this.tell({ type: "roamed", peer, endpoint: source });
    }
    if (hasPayload) this.received.push({ peer, payload: arena.slice(DATA_HEADER_BYTES, arena.length - TAG_BYTES) });
    else this.keepalivesReceived++;
    if (keypair.wantsRekeyAfterReceive(nowMs)) this.tell({ type: "need-handshake", peer });
    this.perform([]);
  }

  #sendStaged(peer: number, confirmWithKeepalive: boolean): void {
    const staged = this.#stage(peer);
    if (staged.size === 0 && confirmWithKeepalive) this.#sealAndSend(peer, new Uint8Array(0));
    for (let payload = staged.shift(); payload !== undefined; payload = staged.shift()) this.send(peer, payload);
  }

  #sealAndSend(peer: number, payload: Uint8Array): boolean {
    const nowMs = this.#deps.nowMs();
    const keypair = this.sessions.usable(peer, nowMs);
    const endpoint = this.#endpoints.get(peer);
    if (keypair === undefined || endpoint === undefined) return false;
    const message = new Uint8Array(dataMessageBytes(payload.length, MTU_BYTES));
    message.set(payload, DATA_HEADER_BYTES);
    if (!keypair.seal(message, 0, message.length, 1, message.length)) return false;
    if (payload.length === 0) this.keepalivesSent++;
    this.#deps.send(message, endpoint);
    recordSent(this.cells, peer, nowMs, 1, message.length, payload.length > 0);
    if (keypair.wantsRekeyAfterSend(nowMs)) this.tell({ type: "need-handshake", peer });
    return true;
  }

  #stage(peer: number): BoundedRing<Uint8Array> {
    let ring = this.#staged.get(peer);
    if (ring === undefined) {
      ring = new BoundedRing(MAX_STAGED_PACKETS);
      this.#staged.set(peer, ring);
    }
    return ring;
  }
}

/** These nodes have sockets only. */
function overUdp(endpoint: Endpoint): UdpEndpoint {
  if (isPipe(endpoint)) throw new Error("a node without pipes was told to use one");
  return endpoint;
}
