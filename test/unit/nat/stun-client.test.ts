import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { decodeBinding, encodeBindingSuccess, encodeUnknownAttributes } from "../../../src/nat/stun/message.ts";
import { type StunAction, StunClient, type StunEvent, type StunReport } from "../../../src/nat/stun/stun-client.ts";
import { StunResponder } from "../../../src/nat/stun/stun-responder.ts";
import type { UdpEndpoint } from "../../../src/packet/endpoint.ts";

const A = { address: "198.51.100.1", port: 3478 };
const A_ALTERNATE = { address: "198.51.100.1", port: 3479 };
const B = { address: "198.51.100.9", port: 3478 };
const V6 = { address: "2001:db8::1", port: 3478 };
const PUBLIC = { address: "203.0.113.5", port: 51820 };
const LOCAL = { addresses: ["10.0.0.2"], port: 51820 };

interface Sent {
  readonly atMs: number;
  readonly server: UdpEndpoint;
  readonly id: string;
}

/** A client, and servers that see it through a NAT; time is a number. */
class World {
  nowMs = 1_000;
  readonly sent: Sent[] = [];
  readonly reflexive: UdpEndpoint[] = [];
  readonly reports: StunReport[] = [];
  /** Where a server sees the client; null: the datagram is lost. */
  nat: (server: UdpEndpoint, atMs: number) => UdpEndpoint | null = () => PUBLIC;
  roundTripMs = 20;
  readonly client: StunClient;
  readonly #responder = new StunResponder();
  readonly #onTheWay: { readonly atMs: number; readonly bytes: Uint8Array; readonly source: UdpEndpoint }[] = [];

  constructor(seed = "seed") {
    let count = 0;
    this.client = new StunClient({
      random: (bytes) =>
        void bytes.set(createHash("sha256").update(`${seed} ${count++}`).digest().subarray(0, bytes.length)),
    });
  }

  tell(event: StunEvent): StunAction[] {
    const actions = this.client.handle(event, this.nowMs);
    for (const action of actions) {
      if (action.type === "measured") this.reports.push(action.report);
      else if (action.type === "reflexive") this.reflexive.push(action.endpoint);
      else for (const server of action.destinations) this.#carry(action.bytes, server);
    }
    return actions;
  }

  start(...servers: UdpEndpoint[]): void {
    this.tell({ type: "network-changed", local: LOCAL });
    this.tell({ type: "servers", servers });
  }

  /** Lets `ms` go by: every deadline and every arrival at its time. */
  run(ms: number): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      this.#onTheWay.sort((a, b) => a.atMs - b.atMs);
      const arrivalMs = this.#onTheWay[0]?.atMs ?? Number.POSITIVE_INFINITY;
      const nextMs = Math.min(arrivalMs, this.client.nextDeadlineMs());
      if (nextMs > endMs) break;
      this.nowMs = Math.max(this.nowMs, nextMs);
      const arrival = arrivalMs <= this.nowMs ? this.#onTheWay.shift() : undefined;
      if (arrival === undefined) this.tell({ type: "tick" });
      else this.tell({ type: "datagram", bytes: arrival.bytes, source: arrival.source });
    }
    this.nowMs = endMs;
  }

  get report(): StunReport {
    const last = this.reports.at(-1);
    if (last === undefined) throw new Error("nothing was measured");
    return last;
  }

  sentTo(server: UdpEndpoint): Sent[] {
    return this.sent.filter((each) => each.server === server);
  }

  #carry(bytes: Uint8Array, server: UdpEndpoint): void {
    const request = decodeBinding(bytes);
    if (request?.kind !== "request") throw new Error("the client sends requests only");
    this.sent.push({ atMs: this.nowMs, server, id: request.transactionId });
    const source = this.nat(server, this.nowMs);
    if (source === null) return;
    const answer = this.#responder.respond(bytes, source, this.nowMs);
    if (answer === undefined) throw new Error("the responder does not answer");
    this.#onTheWay.push({ atMs: this.nowMs + this.roundTripMs, bytes: answer, source: server });
  }
}

describe("a round", () => {
  it("asks every server once, and tells endpoints, round trips and the mapping", () => {
    const world = new World();
    world.start(A, A_ALTERNATE, B);
    world.run(100);
    expect(world.sent.map(({ server }) => server)).toEqual([A, A_ALTERNATE, B]);
    expect(new Set(world.sent.map(({ id }) => id)).size).toBe(3);
    expect(world.reflexive).toEqual([PUBLIC, PUBLIC, PUBLIC]);
    expect(world.reports).toHaveLength(1);
    expect(world.report.servers).toEqual(
      [A, A_ALTERNATE, B].map((server) => ({ server, outcome: "answered", reflexive: PUBLIC, rttMs: 20 })),
    );
    expect(world.report.nat).toMatchObject({
      udp: true,
      mapping: "endpoint-independent",
      ipv4: { dependsOn: "nothing", isBehindNat: true, isPortPreserved: true, reflexive: [PUBLIC] },
    });
  });

  it("begins when both servers and network are known, in either order", () => {
    const world = new World();
    expect(world.tell({ type: "servers", servers: [A] })).toEqual([]);
    expect(world.client.nextDeadlineMs()).toBe(Number.POSITIVE_INFINITY);
    expect(world.tell({ type: "network-changed", local: LOCAL })).toHaveLength(1);
  });

  it("two ports of one server show a hard NAT", () => {
    const world = new World();
    world.nat = ({ port }) => ({ ...PUBLIC, port });
    world.start(A, A_ALTERNATE);
    world.run(100);
    expect(world.report.nat).toMatchObject({
      mapping: "endpoint-dependent",
      ipv4: { dependsOn: "address-and-port", isPortPreserved: false },
    });
  });

  it("leaves out servers of a family that this machine has no address of", () => {
    const world = new World();
    world.start(V6, A);
    world.run(100);
    expect(world.report.servers.map(({ server }) => server)).toEqual([A]);
    expect(world.report.nat.ipv6.mapping).toBe("unknown");
  });

  it("takes doubles out of the list, asks 16 at most, and ends without any", () => {
    const world = new World();
    world.start(A, { ...A });
    expect(world.sent).toHaveLength(1);
    world.run(1_000);
    const many = Array.from({ length: 40 }, (_, i) => ({ ...A, port: 1_000 + i }));
    expect(world.tell({ type: "servers", servers: many })).toHaveLength(16);
    world.run(1_000);
    world.tell({ type: "servers", servers: [] });
    expect(world.report.nat).toMatchObject({ udp: null, mapping: "unknown" });
    expect(world.client.nextDeadlineMs()).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("retransmission (RFC 8489 §6.2.1, scaled to 5 s)", () => {
  it("the same request at 0, 250, 750, 1750 and 3750 ms; silence is told at 5 s", () => {
    const world = new World();
    world.nat = () => null;
    world.start(A);
    world.run(4_999);
    expect(world.sent.map(({ atMs }) => atMs - 1_000)).toEqual([0, 250, 750, 1750, 3750]);
    expect(new Set(world.sent.map(({ id }) => id)).size).toBe(1);
    expect(world.reports).toEqual([]);
    world.run(1);
    expect(world.report.servers).toEqual([{ server: A, outcome: "silent", reflexive: null, rttMs: null }]);
    expect(world.report.nat).toMatchObject({ udp: false, mapping: "blocked" });
  });

  it("one silent server does not keep back what the others say, and does not make UDP blocked", () => {
    const world = new World();
    world.nat = (server) => (server === B ? null : PUBLIC);
    world.start(B, A, A_ALTERNATE);
    world.run(100);
    expect(world.reflexive).toEqual([PUBLIC, PUBLIC]);
    expect(world.reports).toEqual([]);
    world.run(5_000);
    expect(world.report.servers.map(({ outcome }) => outcome)).toEqual(["silent", "answered", "answered"]);
    expect(world.report.nat.mapping).toBe("endpoint-independent");
    expect(world.sentTo(A)).toHaveLength(1);
  });

  it("a round trip is told only when one request was sent, and the next round waits longer before it repeats", () => {
    const world = new World();
    world.roundTripMs = 400;
    world.start(A);
    world.run(1_000);
    expect(world.sent).toHaveLength(2);
    expect(world.report.servers[0]).toMatchObject({ outcome: "answered", rttMs: null });
    world.tell({ type: "measure" });
    world.run(1_000);
    expect(world.sent).toHaveLength(3);
    expect(world.report.servers[0]).toMatchObject({ outcome: "answered", rttMs: 400 });
  });

  it("a process that slept through all deadlines asks again before it calls anybody silent", () => {
    const world = new World();
    world.nat = (_server, atMs) => (atMs < 60_000 ? null : PUBLIC);
    world.start(A);
    world.nowMs = 120_000;
    world.tell({ type: "tick" });
    world.run(100);
    expect(world.report.nat.udp).toBe(true);
  });
});

describe("what is no answer", () => {
  const started = () => {
    const world = new World();
    world.nat = () => null;
    world.start(A);
    const answerTo = { transactionId: world.sent[0]!.id, hasFingerprint: true };
    return { world, answerTo };
  };

  it("another transaction's, another source's, and what cannot be read are counted and change nothing", () => {
    const { world, answerTo } = started();
    const good = encodeBindingSuccess(answerTo, PUBLIC);
    const wrong: [Uint8Array, UdpEndpoint | { pipe: number }][] = [
      [encodeBindingSuccess({ ...answerTo, transactionId: "00".repeat(12) }, PUBLIC), A],
      [good, A_ALTERNATE],
      [good, B],
      [good, { pipe: 1 }],
      [good.with(30, good[30]! ^ 1), A],
      [good.subarray(0, 20), A],
    ];
    for (const [bytes, source] of wrong) expect(world.tell({ type: "datagram", bytes, source })).toEqual([]);
    expect(world.client.drops).toEqual({ malformed: 2, "unknown-transaction": 1, "wrong-source": 3 });
    expect(world.tell({ type: "datagram", bytes: good, source: { ...A, localAddress: "10.0.0.2" } })).toHaveLength(2);
    world.tell({ type: "datagram", bytes: good, source: A });
    expect(world.client.drops["unknown-transaction"]).toBe(2);
  });

  it("a refusal ends the asking, and says neither blocked nor open", () => {
    const { world, answerTo } = started();
    world.tell({ type: "datagram", bytes: encodeUnknownAttributes(answerTo, [0x0024]), source: A });
    expect(world.report.servers).toEqual([{ server: A, outcome: "refused", reflexive: null, rttMs: 0 }]);
    expect(world.report.nat).toMatchObject({ udp: null, mapping: "unknown" });
  });

  it("an answer to an earlier round is none: the network was another", () => {
    const { world, answerTo } = started();
    world.run(300);
    world.tell({ type: "network-changed", local: { addresses: ["10.9.9.9"], port: 51820 } });
    expect(world.tell({ type: "datagram", bytes: encodeBindingSuccess(answerTo, PUBLIC), source: A })).toEqual([]);
    expect(world.client.drops["unknown-transaction"]).toBe(1);
  });
});

describe("asking again", () => {
  it("behind a NAT every 23 to 25 s, with new transaction ids", () => {
    const world = new World();
    world.start(A);
    world.run(240_000);
    const gaps = world.sent.slice(1).map(({ atMs }, i) => atMs - world.sent[i]!.atMs);
    expect(gaps.length).toBeGreaterThanOrEqual(9);
    for (const gap of gaps) {
      expect(gap).toBeGreaterThan(23_000);
      expect(gap).toBeLessThanOrEqual(25_000);
    }
    expect(new Set(world.sent.map(({ id }) => id)).size).toBe(world.sent.length);
    expect(new Set(gaps).size).toBeGreaterThan(3);
  });

  it("as often while UDP is blocked, and tells when it opens", () => {
    const world = new World();
    world.nat = (_server, atMs) => (atMs < 100_000 ? null : PUBLIC);
    world.start(A, A_ALTERNATE);
    world.run(130_000);
    expect(world.reports[0]?.nat.mapping).toBe("blocked");
    expect(world.report.nat.mapping).toBe("endpoint-independent");
  });

  it("without a NAT every five minutes", () => {
    const world = new World();
    world.nat = () => ({ address: "10.0.0.2", port: 51820 });
    world.start(A);
    world.run(600_000);
    expect(world.sent.map(({ atMs }) => atMs - 1_000)).toEqual([0, 300_000, 600_000]);
  });

  it("at once when the network changes, and shows the mapping that has changed", () => {
    const world = new World();
    world.start(A, A_ALTERNATE);
    world.run(10_000);
    world.nat = () => ({ address: "203.0.113.77", port: 4_000 });
    const local = { addresses: ["192.168.1.4"], port: 51820 };
    expect(world.tell({ type: "network-changed", local })).toHaveLength(2);
    world.run(100);
    expect(world.report.nat.ipv4.reflexive).toEqual([{ address: "203.0.113.77", port: 4_000 }]);
  });

  it("a network that changes in many steps is asked about at the first and after the last", () => {
    const world = new World();
    world.start(A);
    world.run(5_000);
    for (let step = 0; step < 50; step++) {
      world.tell({ type: "network-changed", local: { addresses: [`10.0.1.${step}`], port: 51820 } });
      world.run(4);
    }
    world.run(1_000);
    expect(world.sent).toHaveLength(3);
    expect(world.reports).toHaveLength(2);
  });

  it("not while a round runs, nor for the servers that it has; else whenever somebody wants to know", () => {
    const world = new World();
    world.start(A);
    expect(world.tell({ type: "measure" })).toEqual([]);
    world.run(1_000);
    expect(world.tell({ type: "servers", servers: [{ ...A }] })).toEqual([]);
    expect(world.tell({ type: "measure" })).toHaveLength(1);
    world.run(1_000);
    expect(world.tell({ type: "servers", servers: [A, B] })).toHaveLength(2);
  });
});

it("peers that start together soon ask at different times", () => {
  const [one, other] = [new World("one"), new World("other")];
  for (const world of [one, other]) {
    world.start(A);
    world.run(24_000);
  }
  expect(one.client.nextDeadlineMs()).not.toBe(other.client.nextDeadlineMs());
});
