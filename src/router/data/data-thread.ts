import { Worker } from "node:worker_threads";
import { MeshError } from "../../base/errors.ts";
import type { UdpSockets } from "../../transports/udp/udp-transport.ts";
import type { OpenTun } from "../../tun/open-tun.ts";
import type { AeadProviderName } from "../../wireguard/aead/provider.ts";
import type { WireGuardTimings } from "../../wireguard/constants.ts";
import type { HandshakeCryptoName } from "../../wireguard/crypto/handshake-crypto.ts";
import type { DataCommand, DataEvent } from "../shared/commands.ts";
import { UplinkGauge, type UplinkMessage } from "../shared/uplink.ts";
import { type SharedWakeFlag, WakeFlag } from "../shared/wake-flag.ts";

/** What the thread starts with: plain data, shared memory, and descriptors, which are the process's own. */
export interface DataThreadStart {
  readonly tun: OpenTun;
  readonly udp: UdpSockets;
  readonly mtuBytes: number;
  /** Both have been tested. */
  readonly aeadProvider: AeadProviderName;
  readonly handshakeCrypto: HandshakeCryptoName;
  readonly timings: WireGuardTimings;
  readonly slots: SharedArrayBuffer;
  readonly cells: SharedArrayBuffer;
  readonly pathCells: SharedArrayBuffer;
  readonly pipes: { readonly outbound: SharedArrayBuffer; readonly inbound: SharedArrayBuffer };
  readonly counters: SharedArrayBuffer;
  readonly filterCells: SharedArrayBuffer;
  readonly gauge: SharedArrayBuffer;
  readonly wake: SharedWakeFlag;
}

/** The thread allocates nothing per packet: the 11 MB that V8 keeps for young objects after the load would lie there unused. */
const YOUNG_GENERATION_MB = 3;

export interface DataThreadHandlers {
  readonly onEvent: (event: DataEvent) => void;
  /** The thread ended without being asked to; nothing moves any more. */
  readonly onDeath: (failure: MeshError) => void;
}

/** The control thread's end of the data thread. */
export class DataThread {
  /** Why its warm-up failed, or undefined. Rejects with a MeshError when the thread ends before it could start. */
  readonly started: Promise<string | undefined>;
  readonly #worker: Worker;
  readonly #wake = WakeFlag.open();
  readonly #gauge = new UplinkGauge();
  readonly #ended: Promise<void>;
  readonly #handlers: DataThreadHandlers;
  readonly #stopAtExit = () => this.#wake.stop();
  #onStarted: (coldBecause: string | undefined) => void = () => {};
  #onStillborn: (failure: MeshError) => void = () => {};
  #isStopping = false;
  #failure: unknown;

  constructor(start: Omit<DataThreadStart, "wake" | "gauge">, handlers: DataThreadHandlers) {
    this.#handlers = handlers;
    this.started = new Promise((resolve, reject) => {
      this.#onStarted = resolve;
      this.#onStillborn = reject;
    });
    // Whoever does not wait for the start hears of the death all the same.
    this.started.catch(() => {});
    const workerData: DataThreadStart = { ...start, wake: this.#wake.shared, gauge: this.#gauge.buffer };
    // This file is a .ts in the sources and a .js in the build; the worker's stands beside it.
    const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
    this.#worker = new Worker(new URL(`data-worker${extension}`, import.meta.url), {
      workerData,
      name: "mesh-data",
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    this.#worker.on("message", (message: UplinkMessage) => this.#receive(message));
    this.#worker.on("error", (failure) => {
      this.#failure = failure;
    });
    this.#ended = new Promise((resolve) => this.#worker.once("exit", () => resolve()));
    this.#ended.then(() => this.#onExit());
    process.on("exit", this.#stopAtExit);
  }

  /** Hands over commands, to be carried out in this order. */
  post(commands: readonly DataCommand[]): void {
    if (this.#isStopping || commands.length === 0) return;
    this.#worker.postMessage(commands);
    this.#wake.wake();
  }

  /** Makes the thread look for datagrams of the pipes. */
  wake(): void {
    if (!this.#isStopping) this.#wake.wake();
  }

  /** Wakes the thread, and says how often it has been awake so far: one that stands still does not count on. */
  pulse(): number {
    this.wake();
    return this.#wake.answers;
  }

  /** Returns when the thread has wiped its keys and is gone. Never rejects; idempotent. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#wake.stop();
    await this.#ended;
    this.#wake.close();
  }

  #receive(message: UplinkMessage): void {
    if (message.uplinkClass !== undefined) this.#gauge.leave(message.uplinkClass);
    if (message.event.type === "started") this.#onStarted(message.event.coldBecause);
    else if (!this.#isStopping) this.#handlers.onEvent(message.event);
  }

  #onExit(): void {
    process.off("exit", this.#stopAtExit);
    const reason = this.#failure instanceof Error ? this.#failure.message : "it ended by itself";
    const failure = new MeshError("data-plane-failed", `the data thread is gone: ${reason}`, { cause: this.#failure });
    this.#onStillborn(failure);
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#handlers.onDeath(failure);
  }
}
