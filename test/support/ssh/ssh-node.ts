import { randomBytes } from "node:crypto";
import { connect, type Server, type Socket } from "node:net";
import { promisify } from "node:util";
import { silentLogger } from "../../../src/base/logger.ts";
import { bindPlainly } from "../../../src/host/tcp.ts";
import { formatTarget } from "../../../src/transports/ssh/endpoint.ts";
import { machineKeyOfSeed } from "../../../src/transports/ssh/machine-key.ts";
import type { SshPeer } from "../../../src/transports/ssh/options.ts";
import {
  SshTransport,
  type SshTransportDependencies,
  type SshTransportOptions,
} from "../../../src/transports/ssh/ssh-transport.ts";
import { eventually } from "../lab/eventually.ts";

export interface SshNodeOptions extends Partial<Omit<SshTransportOptions, "machineSeed">> {
  readonly machineSeed?: Uint8Array;
  readonly dependencies?: Partial<SshTransportDependencies>;
}

/** A peer with an SSH transport on loopback, and what arrived there. */
export class SshNode implements AsyncDisposable {
  readonly machineSeed: Uint8Array;
  readonly publicKey: string;
  /** As text, in order of arrival. */
  readonly received: string[] = [];
  /** How each change left the way to a peer. */
  readonly changes: { readonly peer: string; readonly isOpen: boolean }[] = [];
  /** All TCP sockets that it has dialled. */
  readonly dialled: Socket[] = [];
  onChange: () => void = () => undefined;
  readonly #servers: Server[] = [];
  #transport: SshTransport | undefined;

  private constructor(machineSeed: Uint8Array) {
    this.machineSeed = machineSeed;
    this.publicKey = randomBytes(32).toString("base64");
  }

  static async open({
    machineSeed = randomBytes(32),
    dependencies,
    ...options
  }: SshNodeOptions = {}): Promise<SshNode> {
    const node = new SshNode(machineSeed);
    node.#transport = await SshTransport.open(
      { listen: [{ host: "127.0.0.1", port: 0 }], ...options, machineSeed },
      {
        logger: silentLogger,
        handlers: {
          onDatagram: (_peer, datagram) => node.received.push(Buffer.from(datagram).toString("latin1")),
          onChange: (peer) => {
            node.changes.push({ peer, isOpen: node.transport.isOpenTo(peer) });
            node.onChange();
          },
        },
        socketFactory: (target) => {
          const socket = connect(target);
          node.dialled.push(socket);
          return socket;
        },
        bindListener: (server, target) => {
          node.#servers.push(server);
          bindPlainly(server, target);
        },
        ...dependencies,
      },
    );
    return node;
  }

  get transport(): SshTransport {
    if (this.#transport === undefined) throw new Error("not open yet");
    return this.#transport;
  }

  /** Where it listens. */
  get endpoints(): string[] {
    return this.transport.listening.flatMap(({ listening }) => (listening === null ? [] : [formatTarget(listening)]));
  }

  get port(): number {
    return this.transport.listening[0]?.listening?.port ?? 0;
  }

  /** TCP connections that it has accepted or dialled and that are there still. */
  async connections(): Promise<number> {
    const accepted = await Promise.all(this.#servers.map((server) => promisify(server.getConnections.bind(server))()));
    return accepted.reduce((sum, each) => sum + each, this.dialled.filter((socket) => !socket.destroyed).length);
  }

  /** As the map of others has it. */
  entry(changes: Partial<SshPeer> = {}): SshPeer {
    const machineKey = machineKeyOfSeed(this.machineSeed);
    return { publicKey: this.publicKey, machineKey, sshEndpoints: this.endpoints, ...changes };
  }

  send(to: SshNode, text: string): boolean {
    return this.transport.send(to.publicKey, Buffer.from(text, "latin1"));
  }

  async connect(to: SshNode): Promise<void> {
    this.transport.want(to.publicKey);
    await this.isOpenTo(to);
  }

  async isOpenTo(to: SshNode): Promise<void> {
    await eventually("the connection is open", () => this.transport.isOpenTo(to.publicKey));
  }

  async isClosedTo(to: SshNode): Promise<void> {
    await eventually("the connection is closed", () => !this.transport.isOpenTo(to.publicKey));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.transport.close();
  }
}

/** Two that know each other, and nobody else. */
export async function openPair(left: SshNodeOptions = {}, right: SshNodeOptions = {}) {
  const [a, b] = await Promise.all([SshNode.open(left), SshNode.open(right)]);
  introduce(a, b);
  return {
    a,
    b,
    [Symbol.asyncDispose]: async () => void (await Promise.all([a.transport.close(), b.transport.close()])),
  };
}

export function introduce(a: SshNode, b: SshNode): void {
  a.transport.setPeers([b.entry()]);
  b.transport.setPeers([a.entry()]);
}

/** A seed whose machine key is smaller or larger than that of the other one returned. */
export function orderedSeeds(): { readonly smaller: Uint8Array; readonly larger: Uint8Array } {
  const raw = (seed: Uint8Array) => Buffer.from(machineKeyOfSeed(seed), "base64");
  const [one, other] = [randomBytes(32), randomBytes(32)];
  return Buffer.compare(raw(one), raw(other)) < 0 ? { smaller: one, larger: other } : { smaller: other, larger: one };
}
