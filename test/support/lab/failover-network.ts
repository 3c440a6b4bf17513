import { expect } from "vitest";
import { eventually } from "./eventually.ts";
import type { LabHost } from "./lab-host.ts";
import type { MeshPeer } from "./mesh-peer.ts";
import { PingFlow } from "./ping-flow.ts";
import { SmallNetwork } from "./small-network.ts";
import { TcpTransfer } from "./tcp-transfer.ts";
import { dropWall, raiseWall } from "./udp-wall.ts";

/** As a failure is worth it, `docs/nat.md`: the round trip is nothing here. */
const GAP_MEDIAN_MS = 250;
const GAP_LIMIT_MS = 500;
const REKEY_AFTER_MS = 120_000;

const SSH_PORT = 2222;
const UDP = "meta l4proto udp";
/** Either end of it: whoever has dialled. */
const SSH = `tcp dport ${SSH_PORT} drop; tcp sport ${SSH_PORT}`;
const PATIENCE = { timeoutMs: 30_000, intervalMs: 100 };
const SETTLED_ANSWERS = 100;

/** Of a round: the longest times without an answer to a ping every 10 ms, and answers that never came. */
export interface FailoverFigures {
  readonly udpDeadGapMs: number;
  readonly sshDeadGapMs: number;
  /** From the moment when everything works again. */
  readonly lostAtReturn: number;
  /** From the moment when both ends send by UDP again. */
  readonly lostAtUpgrade: number;
}

/** Two daemons on one segment whose transports die silently, one after the other, and come back. */
export class FailoverNetwork implements AsyncDisposable {
  readonly network: SmallNetwork;
  readonly alice: MeshPeer;
  readonly bob: MeshPeer;
  readonly #addresses: { readonly ip4: string; readonly ip6: string };

  private constructor(
    network: SmallNetwork,
    alice: MeshPeer,
    bob: MeshPeer,
    bobsAddresses: { ip4: string; ip6: string },
  ) {
    this.network = network;
    this.alice = alice;
    this.bob = bob;
    this.#addresses = bobsAddresses;
  }

  /** Both send by UDP by the time it returns. */
  static async open(): Promise<FailoverNetwork> {
    const network = await SmallNetwork.open("alice", "bob");
    try {
      const alice = await network.join("alice");
      const bob = await network.join("bob");
      const bobsAddresses = (await bob.status()).self!;
      await eventually("alice reaches bob", () => alice.host.pings(bobsAddresses.ip4), PATIENCE);
      const opened = new FailoverNetwork(network, alice, bob, bobsAddresses);
      await opened.bothUse("udp");
      return opened;
    } catch (failure) {
      await network[Symbol.asyncDispose]();
      throw failure;
    }
  }

  /** Nothing that was found out before counts any more: the network of both has changed. */
  async forgive(): Promise<void> {
    const address = ["192.0.2.200/32", "dev", "eth0"];
    await this.#inBoth((host) => host.ip("address", "add", ...address));
    await this.#inBoth((host) => host.ip("address", "delete", ...address));
  }

  /** @returns since when each end does, epoch in ms */
  bothUse(transport: string): Promise<number[]> {
    return this.#both(`by ${transport}`, (used) => used === transport);
  }

  bothLeave(transport: string): Promise<number[]> {
    return this.#both(`not by ${transport}`, (used) => used !== transport);
  }

  /** IPv4, from alice to bob. `dataBytes` of each request, without headers. */
  startPing(dataBytes?: number): Promise<PingFlow> {
    return PingFlow.start(this.alice.host, this.#addresses.ip4, 10, dataBytes);
  }

  /** IPv6, from alice to bob. */
  startTransfer(bytesPerSecond: number): Promise<TcpTransfer> {
    const [from, to] = [this.alice.host, this.bob.host];
    return TcpTransfer.start({ from, to, address: this.#addresses.ip6, bytesPerSecond });
  }

  /** When the session that alice sends in was made, epoch in ms. */
  async sessionSinceMs(): Promise<number> {
    return Date.parse((await this.alice.peer("bob"))!.lastHandshakeAt!);
  }

  /** UDP dies, then SSH as well, then both come back. */
  async round(flow: PingFlow): Promise<FailoverFigures> {
    flow.restart();
    await this.#inBoth((host) => raiseWall(host, UDP));
    await this.#sshIsReady();
    await this.bothUse("ssh");
    const udpDeadGapMs = flow.result().longestGapMs;

    flow.restart();
    await this.#inBoth((host) => raiseWall(host, `${UDP} drop; ${SSH}`));
    await this.bothUse("relay");
    const sshDeadGapMs = flow.result().longestGapMs;

    await settled(flow);
    flow.restart();
    await this.#inBoth(dropWall);
    const upgradeMs = Math.max(...(await this.bothUse("udp")));
    await settled(flow);
    return {
      udpDeadGapMs,
      sshDeadGapMs,
      lostAtReturn: flow.result().lost,
      lostAtUpgrade: flow.lostSince(upgradeMs),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.network[Symbol.asyncDispose]();
  }

  #both(how: string, isWanted: (transport: string) => boolean): Promise<number[]> {
    const reaches = (peer: MeshPeer, name: string) =>
      eventually(
        `${peer.host.label} reaches ${name} ${how}`,
        async () => {
          const path = (await peer.peer(name))?.path;
          return path != null && isWanted(path.transport) && Date.parse(path.since);
        },
        PATIENCE,
      );
    return Promise.all([reaches(this.alice, "bob"), reaches(this.bob, "alice")]);
  }

  #sshIsReady(): Promise<unknown> {
    const hasSsh = async () =>
      (await this.alice.peer("bob"))?.paths.some(({ transport, usable }) => transport === "ssh" && usable);
    return eventually("the peers are connected by SSH", hasSsh, PATIENCE);
  }

  #inBoth(act: (host: LabHost) => Promise<unknown>): Promise<unknown> {
    return Promise.all([act(this.alice.host), act(this.bob.host)]);
  }
}

/** So many further answers: what TCP had to send again after a gap is gone, and what a path that was left has lost would show. */
export function settled(flow: PingFlow): Promise<unknown> {
  const { answered } = flow;
  return eventually("the ping goes on", () => flow.answered >= answered + SETTLED_ANSWERS, PATIENCE);
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

/** Holds the gaps of all rounds against their bounds, and prints them. */
export function expectShortGaps(rounds: readonly FailoverFigures[]): void {
  for (const [what, of] of [
    ["UDP dead", (round: FailoverFigures) => round.udpDeadGapMs],
    ["SSH dead", (round: FailoverFigures) => round.sshDeadGapMs],
  ] as const) {
    const gapsMs = rounds.map(of).map(Math.round);
    console.info(`${what}: median ${median(gapsMs)} ms, at most ${Math.max(...gapsMs)} ms (${gapsMs.join(" ")})`);
    expect(median(gapsMs)).toBeLessThanOrEqual(GAP_MEDIAN_MS);
    expect(Math.max(...gapsMs)).toBeLessThanOrEqual(GAP_LIMIT_MS);
  }
}

/** No handshake but those that WireGuard's own schedule asks for. */
export function expectSameSession(beforeMs: number, nowMs: number): void {
  if (nowMs !== beforeMs) expect(nowMs - beforeMs).toBeGreaterThanOrEqual(REKEY_AFTER_MS);
}
