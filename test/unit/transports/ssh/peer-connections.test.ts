import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../../../src/base/clock.ts";
import { silentLogger } from "../../../../src/base/logger.ts";
import { bindPlainly, openTcp, plainSocket } from "../../../../src/host/tcp.ts";
import { emptyPipeStats } from "../../../../src/transports/pipe/pipe-transport.ts";
import { formatTarget } from "../../../../src/transports/ssh/endpoint.ts";
import { machineKeyOfSeed, openSshPrivateKey } from "../../../../src/transports/ssh/machine-key.ts";
import { SSH_LIMITS, SSH_TIMINGS } from "../../../../src/transports/ssh/options.ts";
import { PeerConnections } from "../../../../src/transports/ssh/peer-connections.ts";
import { PeerDial } from "../../../../src/transports/ssh/peer-dial.ts";
import { type KnownPeer, PeerDirectory } from "../../../../src/transports/ssh/peer-directory.ts";
import type { OpenedConnection } from "../../../../src/transports/ssh/ssh-link.ts";
import { SshServer } from "../../../../src/transports/ssh/ssh-server.ts";
import { eventually } from "../../../support/lab/eventually.ts";
import { orderedSeeds } from "../../../support/ssh/ssh-node.ts";

/** One end of a pair whose connections are opened, and handed over, by the test. */
class End implements AsyncDisposable {
  readonly publicKey = randomBytes(32).toString("base64");
  readonly machineKey: string;
  readonly received: string[] = [];
  readonly connections: PeerConnections;
  /** The next connection that is accepted. */
  accepted: Promise<OpenedConnection>;
  #onAccepted: (opened: OpenedConnection) => void = () => undefined;
  readonly #directory: PeerDirectory;
  readonly #server: SshServer;
  readonly #shared;
  #peer: KnownPeer | undefined;
  endpoint = "";

  constructor(seed: Uint8Array, isOurKeySmaller: boolean) {
    this.machineKey = machineKeyOfSeed(seed);
    this.accepted = new Promise((resolve) => {
      this.#onAccepted = resolve;
    });
    this.#directory = new PeerDirectory(this.machineKey);
    const stats = { ...emptyPipeStats(), rekeys: 0, refusedConnections: 0 };
    this.#shared = {
      privateKey: openSshPrivateKey(seed),
      timings: SSH_TIMINGS,
      limits: SSH_LIMITS,
      stats,
      clock: systemClock,
      logger: silentLogger,
      openUnderlay: (target: { host: string; port: number }, signal: AbortSignal) =>
        openTcp(plainSocket, target, signal),
    };
    this.#server = new SshServer({
      ...this.#shared,
      directory: this.#directory,
      bindListener: bindPlainly,
      onOpen: (opened) => this.#onAccepted(opened),
    });
    this.connections = new PeerConnections({
      ...this.#shared,
      peer: () => this.#peer,
      isOurKeySmaller,
      link: {
        ...this.#shared,
        onDatagram: (_, datagram) => this.received.push(Buffer.from(datagram).toString("latin1")),
      },
      dial: this.#shared,
      onChange: () => undefined,
    });
  }

  async listen(): Promise<void> {
    const [result] = await this.#server.listen([{ host: "127.0.0.1", port: 0 }]);
    if (result?.listening) this.endpoint = formatTarget(result.listening);
  }

  knows(other: End): void {
    const { publicKey, machineKey, endpoint } = other;
    this.#directory.replace([{ publicKey, machineKey, sshEndpoints: [endpoint] }]);
    this.#peer = this.#directory.byPublicKey(publicKey);
  }

  async dial(): Promise<OpenedConnection> {
    const opened = this.#peer && (await new PeerDial(this.#peer, this.#shared).run());
    if (opened === undefined) throw new Error("the dial came to nothing");
    return opened;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.connections.cut("the test is over");
    await this.#server.close();
  }
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, i) => permutations(items.toSpliced(i, 1)).map((rest) => [item, ...rest]));
}

const STEPS = ["smaller dialled", "smaller accepted", "larger dialled", "larger accepted"] as const;

describe("two connections between the same two peers", { timeout: 30_000 }, () => {
  it.each(permutations(STEPS).map((order) => ({ order })))(
    "become the one that the smaller machine key dialled, without loss: $order",
    async ({ order }) => {
      const seeds = orderedSeeds();
      await using smaller = new End(seeds.smaller, true);
      await using larger = new End(seeds.larger, false);
      await Promise.all([smaller.listen(), larger.listen()]);
      smaller.knows(larger);
      larger.knows(smaller);
      const [bySmaller, byLarger] = await Promise.all([smaller.dial(), larger.dial()]);
      const steps = {
        "smaller dialled": async () => smaller.connections.adopt(bySmaller),
        "smaller accepted": async () => smaller.connections.adopt(await smaller.accepted),
        "larger dialled": async () => larger.connections.adopt(byLarger),
        "larger accepted": async () => larger.connections.adopt(await larger.accepted),
      };
      const sent = { smaller: 0, larger: 0 };
      const sendBoth = () => {
        for (const [name, end] of Object.entries({ smaller, larger }) as ["smaller" | "larger", End][]) {
          const link = end.connections.current;
          for (let i = 0; i < 50 && link !== undefined; i++) link.send(Buffer.from(`${sent[name]++}`));
        }
      };
      for (const step of order) {
        await steps[step]();
        sendBoth();
      }
      await eventually(
        "one connection is left",
        () => {
          sendBoth();
          return byLarger.underlay.destroyed;
        },
        { intervalMs: 1 },
      );
      sendBoth();
      expect(smaller.connections.current?.isDialled).toBe(true);
      expect(larger.connections.current?.isDialled).toBe(false);
      await eventually(
        "all has arrived",
        () => larger.received.length >= sent.smaller && smaller.received.length >= sent.larger,
      );
      const inOrder = (count: number) => Array.from({ length: count }, (_, i) => i);
      expect(larger.received.map(Number).sort((a, b) => a - b)).toEqual(inOrder(sent.smaller));
      expect(smaller.received.map(Number).sort((a, b) => a - b)).toEqual(inOrder(sent.larger));
    },
  );
});
