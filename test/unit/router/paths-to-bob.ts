import { randomFillSync } from "node:crypto";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import type { PipeTransportName } from "../../../src/base/transports.ts";
import { parseCidr } from "../../../src/packet/cidr.ts";
import type { TransportPreference } from "../../../src/router/paths/events.ts";
import type { DataCommand } from "../../../src/router/shared/commands.ts";
import { PeerSet } from "../../../src/router/tunnel/peer-set.ts";
import { TunnelPaths } from "../../../src/router/tunnel/tunnel-paths.ts";
import { emptyPipeStats, type PipeTransport } from "../../../src/transports/pipe/pipe-transport.ts";
import { selectHandshakeCrypto } from "../../../src/wireguard/crypto/select.ts";
import { Device } from "../../../src/wireguard/device.ts";
import { KeySlots, PeerCells } from "../../../src/wireguard/shared-state.ts";

const { crypto } = selectHandshakeCrypto();
const MAX_PEERS = 4;

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

/** The ways of a tunnel to one peer, bob, by UDP and two open pipes; what goes to the data thread is noted down. */
export class PathsToBob {
  readonly bob = Buffer.from(crypto.x25519Key(new Uint8Array(32).fill(7)).publicKey).toString("base64");
  readonly paths: TunnelPaths;
  readonly decisions: string[] = [];
  readonly commands: DataCommand[] = [];
  /** Whom the coordinator was asked to call. */
  readonly called: string[] = [];
  /** Where the data thread knows a path, by its number. */
  readonly known = new Map<number, { readonly transport: string; readonly endpoint: string }>();
  endpoints: readonly string[] = ["192.0.2.3:51820", "[2001:db8::3]:51820"];
  readonly #peers: PeerSet;
  #preference: TransportPreference | undefined;

  constructor() {
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
    this.#peers = new PeerSet(device, silentLogger);
    this.paths = new TunnelPaths({
      clock: systemClock,
      device,
      peers: this.#peers,
      maxPeers: MAX_PEERS,
      mtuBytes: 1420,
      ranges: [parseCidr("10.86.0.0/16")],
      wake: () => {},
      carryOut: (commands) => this.note(commands),
      onCandidates: () => this.#configure(),
    });
    this.paths.onDecision(({ path, reason }) => this.decisions.push(`${path?.transport ?? "none"}: ${reason}`));
    this.paths.onCall((publicKey) => this.called.push(publicKey));
    for (const transport of ["ssh", "relay"] as const) this.paths.attach(() => new OpenPipe(transport));
  }

  /** Bob's number. */
  get id(): number {
    return this.#peers.get(this.bob)!.id;
  }

  get transports(): string[] {
    return Array.from(this.known.values(), ({ transport }) => transport).sort();
  }

  get udp(): string[] {
    return [...this.known.values()].flatMap(({ transport, endpoint }) => (transport === "udp" ? [endpoint] : []));
  }

  /** @returns the transports of the paths that there are now */
  configure(preference?: TransportPreference): string[] {
    this.#preference = preference;
    this.#configure();
    return this.transports;
  }

  note(commands: readonly DataCommand[]): void {
    this.commands.push(...commands);
    for (const command of commands) {
      if (command.type === "set-path") this.known.set(command.path, this.paths.describe(command.endpoint));
      else if (command.type === "remove-path") this.known.delete(command.path);
    }
  }

  /** What has gone to the data thread since the last time, of one type. */
  take<Type extends DataCommand["type"]>(type: Type): Extract<DataCommand, { type: Type }>[] {
    const isWanted = (command: DataCommand): command is Extract<DataCommand, { type: Type }> => command.type === type;
    return this.commands.splice(0).filter(isWanted);
  }

  #configure(): void {
    const peer = {
      publicKey: this.bob,
      allowedIps: ["10.86.0.3/32"],
      endpoints: this.endpoints,
      persistentKeepaliveSeconds: 0,
      hasPaths: true,
      ...(this.#preference === undefined ? {} : { preference: this.#preference }),
    };
    const nowMs = systemClock.monotonicMs();
    this.note([...this.#peers.reconcile([this.paths.withPipes(peer)], nowMs), ...this.paths.configure()]);
  }
}
