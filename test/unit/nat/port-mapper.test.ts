import { describe, expect, it } from "vitest";
import type { GatewayAnswer } from "../../../src/nat/port-mapping/gateway-protocol.ts";
import {
  PortMapper,
  type PortMapperAction,
  type PortMapperEvent,
  type PortMapping,
  portMappingNonce,
  type UpnpQuery,
} from "../../../src/nat/port-mapping/port-mapper.ts";
import type { UdpEndpoint } from "../../../src/packet/endpoint.ts";

const GATEWAY = { address: "10.0.0.1", port: 5351 };
const NETWORK = { gateway: GATEWAY.address, localAddress: "10.0.0.2" };
const MINUTE_MS = 60_000;

/** What a gateway answers to a request, written from the bytes of the RFCs and not by our codec. */
type Gateway = (request: Buffer) => (Buffer | undefined)[];

const addressBytes = (address: string) => Buffer.from(address.split(".").map(Number));

/** RFC 6887 MAP: grants the internal port at `address`, unless `result` says otherwise. */
function pcpGateway(grant: { address: string; port: number; lifetime: number; result?: number }): Gateway {
  return (request) => {
    if (request[0] !== 2) return [];
    const answer = Buffer.from(request);
    answer[1] = 0x81;
    answer[3] = grant.result ?? 0;
    answer.writeUInt32BE(grant.lifetime, 4);
    answer.fill(0, 8, 24);
    answer.writeUInt16BE(grant.port, 42);
    answer.set(addressBytes(grant.address), 56);
    return [answer];
  };
}

/** RFC 6886; answers PCP as §3.5 has it, or not at all. */
function natPmpGateway(grant: { address: string; port: number; lifetime: number; saysUnsupported: boolean }): Gateway {
  return (request) => {
    if (request[0] !== 0) return grant.saysUnsupported ? [Buffer.from([0, 0x81, 0, 1, 0, 0, 0, 9])] : [];
    if (request[1] === 0) return [Buffer.from([0, 128, 0, 0, 0, 0, 0, 9, ...addressBytes(grant.address)])];
    const answer = Buffer.alloc(16);
    answer[1] = 129;
    request.copy(answer, 8, 4, 6);
    answer.writeUInt16BE(grant.port, 10);
    answer.writeUInt32BE(grant.lifetime, 12);
    return [answer];
  };
}

/** A mapper and its gateway; time is a number, and answers take 2 ms. */
class World {
  nowMs = 0;
  gateway: Gateway = () => [];
  readonly sent: { readonly atMs: number; readonly bytes: Buffer }[] = [];
  readonly told: PortMapperAction[] = [];
  /** What is answered by UPnP, with the answer to a search that nobody hears. */
  upnp: ((query: UpnpQuery) => GatewayAnswer | null) | undefined = () => null;
  readonly #upnpAnswers: { readonly atMs: number; readonly answer: GatewayAnswer | null }[] = [];
  readonly mapper = new PortMapper(51820, portMappingNonce(Buffer.from("secret")));
  #onTheWay: { readonly atMs: number; readonly bytes: Uint8Array }[] = [];

  tell(event: PortMapperEvent): void {
    for (const action of this.mapper.handle(event, this.nowMs)) {
      if (action.type === "ask-upnp") {
        const answer = this.upnp?.(action.query);
        if (answer !== undefined) this.#upnpAnswers.push({ atMs: this.nowMs + 100, answer });
        continue;
      }
      if (action.type !== "send") {
        this.told.push(action);
        continue;
      }
      expect(action.destination).toEqual(GATEWAY);
      const bytes = Buffer.from(action.bytes);
      this.sent.push({ atMs: this.nowMs, bytes });
      for (const answer of this.gateway(bytes)) {
        if (answer !== undefined) this.#onTheWay.push({ atMs: this.nowMs + 2, bytes: answer });
      }
    }
  }

  run(ms: number): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      const arrivalMs = this.#onTheWay[0]?.atMs ?? Number.POSITIVE_INFINITY;
      const upnpMs = this.#upnpAnswers[0]?.atMs ?? Number.POSITIVE_INFINITY;
      const nextMs = Math.min(arrivalMs, upnpMs, this.mapper.nextDeadlineMs());
      if (nextMs > endMs) break;
      this.nowMs = Math.max(this.nowMs, nextMs);
      if (upnpMs <= this.nowMs) {
        this.tell({ type: "upnp-answer", answer: this.#upnpAnswers.shift()!.answer });
        continue;
      }
      const arrival = arrivalMs <= this.nowMs ? this.#onTheWay.shift() : undefined;
      if (arrival === undefined) this.tell({ type: "tick" });
      else this.receive(arrival.bytes);
    }
    this.nowMs = endMs;
  }

  receive(bytes: Uint8Array, source: UdpEndpoint = GATEWAY): void {
    this.tell({ type: "datagram", bytes, source });
  }

  start(gateway: Gateway): this {
    this.gateway = gateway;
    this.tell({ type: "network-changed", network: NETWORK });
    return this;
  }

  /** What was told since the last call. */
  news(): PortMapperAction[] {
    return this.told.splice(0);
  }
}

const mapped = (protocol: PortMapping["protocol"], address: string, port: number): PortMapperAction => ({
  type: "mapped",
  mapping: { protocol, external: { address, port } },
});
const grant = { address: "203.0.113.5", port: 4000, lifetime: 7200 };

describe("the port mapper, where only UPnP is answered", () => {
  const external = { address: "203.0.113.5", port: 51820 };
  const granted: GatewayAnswer = { kind: "granted", external, lifetimeSeconds: 7200 };

  it("asks by it when neither PCP nor NAT-PMP is answered, and not before", () => {
    const world = new World();
    world.upnp = () => granted;
    world.start(() => []);
    world.run(3_400);
    expect(world.news()).toEqual([]);
    world.run(500);
    expect(world.news()).toEqual([mapped("upnp", "203.0.113.5", 51820)]);
  });

  it("asks again every ten minutes, for what it has, and gives it back at the end", () => {
    const world = new World();
    const queries: UpnpQuery[] = [];
    world.upnp = (query) => {
      queries.push(query);
      return granted;
    };
    world.start(() => []);
    world.run(25 * MINUTE_MS);
    expect(queries.map(({ previous }) => previous)).toEqual([undefined, external, external]);
    expect(world.news()).toHaveLength(1);
    world.tell({ type: "stop" });
    const query = { gateway: "10.0.0.1", localAddress: "10.0.0.2", internalPort: 51820, previous: external };
    expect(world.news()).toEqual([{ type: "release-upnp", query }]);
  });

  it("keeps the mapping while it is valid, though the gateway is silent, and loses it after", () => {
    const world = new World();
    let answer: GatewayAnswer | null = granted;
    world.upnp = () => answer;
    world.start(() => []);
    world.run(MINUTE_MS);
    answer = null;
    world.news();
    world.run(115 * MINUTE_MS);
    expect(world.news()).toEqual([]);
    world.run(10 * MINUTE_MS);
    expect(world.news().map(({ type }) => type)).toContain("lost");
  });

  it("is not held up by an answer that never comes, nor led astray by one that comes late", () => {
    const world = new World();
    world.upnp = undefined;
    world.start(() => []);
    world.run(30_000);
    expect(world.news()).toEqual([{ type: "unavailable", why: "the gateway is silent" }]);
    world.tell({ type: "upnp-answer", answer: granted });
    expect(world.news()).toEqual([]);
  });

  it("is never asked where another protocol is answered, even with a refusal", () => {
    const world = new World();
    world.upnp = () => {
      throw new Error("asked by UPnP");
    };
    world.start(pcpGateway({ ...grant, result: 2, lifetime: 300 }));
    world.run(20 * MINUTE_MS);
    world.tell({ type: "network-changed", network: null });
    world.start(natPmpGateway({ ...grant, saysUnsupported: true }));
    world.run(20 * MINUTE_MS);
    expect(world.news().at(-1)).toEqual(mapped("nat-pmp", grant.address, grant.port));
  });
});

describe("the port mapper", () => {
  it("gets a mapping by PCP with one request, and tells it once", () => {
    const world = new World().start(pcpGateway(grant));
    world.run(60 * MINUTE_MS);
    expect(world.news()).toEqual([mapped("pcp", "203.0.113.5", 4000)]);
    expect(world.mapper.mapping?.external).toEqual({ address: "203.0.113.5", port: 4000 });
    expect(world.sent.map(({ atMs }) => Math.round(atMs / MINUTE_MS))).toEqual([0, 10, 20, 30, 40, 50]);
  });

  it("keeps its nonce, and asks for what it had", () => {
    const world = new World().start(pcpGateway(grant));
    world.run(15 * MINUTE_MS);
    const [first, second] = world.sent.map(({ bytes }) => bytes);
    expect(second?.subarray(24, 36)).toEqual(first?.subarray(24, 36));
    expect(first?.readUInt16BE(42)).toBe(0);
    expect([second?.readUInt16BE(42), second?.subarray(56).join(".")]).toEqual([4000, "203.0.113.5"]);
    expect(portMappingNonce(Buffer.from("other"))).not.toEqual(portMappingNonce(Buffer.from("secret")));
    expect(portMappingNonce(Buffer.from("secret"))).toHaveLength(12);
  });

  it("renews at half of a short lifetime", () => {
    const world = new World().start(pcpGateway({ ...grant, lifetime: 120 }));
    world.run(4.5 * MINUTE_MS);
    expect(world.sent).toHaveLength(5);
    expect(world.news()).toHaveLength(1);
  });

  it("tells a mapping that has changed: the gateway has restarted, or has another address", () => {
    const world = new World().start(pcpGateway(grant));
    world.run(MINUTE_MS);
    world.news();
    world.gateway = pcpGateway({ ...grant, address: "203.0.113.99" });
    world.run(10 * MINUTE_MS);
    expect(world.news()).toEqual([mapped("pcp", "203.0.113.99", 4000)]);
  });

  it.each([true, false])(
    "goes on with NAT-PMP at a gateway that knows nothing else (says so: %s)",
    (saysUnsupported) => {
      const world = new World().start(natPmpGateway({ ...grant, saysUnsupported }));
      world.run(2_000);
      expect(world.news()).toEqual([mapped("nat-pmp", "203.0.113.5", 4000)]);
      world.run(11 * MINUTE_MS);
      expect(world.sent.at(-1)?.bytes[0]).toBe(0);
      expect(world.news()).toEqual([]);
    },
  );

  it("repeats what is not answered, and of NAT-PMP only that half", () => {
    const world = new World();
    const answered = natPmpGateway({ ...grant, saysUnsupported: true });
    world.start((request) => (request[1] === 1 && request[0] === 0 && world.nowMs < 300 ? [] : answered(request)));
    world.run(2_000);
    expect(world.news()).toEqual([mapped("nat-pmp", "203.0.113.5", 4000)]);
    const natPmp = world.sent.filter(({ bytes }) => bytes[0] === 0).map(({ bytes }) => bytes[1]);
    expect(natPmp.filter((opcode) => opcode === 0)).toHaveLength(1);
    expect(natPmp.filter((opcode) => opcode === 1).length).toBeGreaterThan(1);
  });

  it("gives a silent gateway three tries in each protocol, and tries again later", () => {
    const world = new World().start(() => []);
    world.run(5_000);
    expect(world.sent.map(({ bytes }) => bytes.length)).toEqual([60, 60, 60, 2, 12, 2, 12, 2, 12]);
    expect(world.news()).toEqual([{ type: "unavailable", why: "the gateway is silent" }]);
    world.gateway = pcpGateway(grant);
    world.run(10 * MINUTE_MS);
    expect(world.news()).toEqual([mapped("pcp", "203.0.113.5", 4000)]);
  });

  it.each([
    [30, 1],
    [900, 15],
    [86_400, 30],
  ])("waits as long as a refusal lasts (%d s), within bounds", (lifetime, minutes) => {
    const world = new World().start(pcpGateway({ ...grant, lifetime, result: 2 }));
    world.run(1_000);
    expect(world.news()).toEqual([{ type: "unavailable", why: "PCP result 2" }]);
    world.run(minutes * MINUTE_MS - 2_000);
    expect(world.sent).toHaveLength(1);
    world.run(2_000);
    expect(world.sent).toHaveLength(2);
  });

  it("does not believe in a mapping of nothing", () => {
    const nowhere = { ...grant, address: "0.0.0.0", saysUnsupported: true };
    const world = new World().start(natPmpGateway(nowhere));
    world.run(1_000);
    expect(world.news()).toEqual([{ type: "unavailable", why: "the gateway has no external address" }]);
    const other = new World().start(pcpGateway({ ...grant, lifetime: 0 }));
    other.run(1_000);
    expect(other.news()).toMatchObject([{ type: "unavailable" }]);
  });

  it("holds on to a mapping while the gateway is silent, until it has expired", () => {
    const world = new World().start(pcpGateway({ ...grant, lifetime: 3600 }));
    world.run(MINUTE_MS);
    world.news();
    world.gateway = () => [];
    world.run(58 * MINUTE_MS);
    expect(world.news()).toEqual([]);
    world.run(2 * MINUTE_MS);
    const why = "it was not renewed";
    expect(world.news()).toEqual([
      { type: "lost", why },
      { type: "unavailable", why },
    ]);
    expect(world.mapper.mapping).toBeUndefined();
  });

  it("believes the gateway alone, and only about its own mapping", () => {
    const world = new World().start(() => []);
    const [request] = world.sent.map(({ bytes }) => bytes);
    const [answer] = pcpGateway(grant)(request!) as [Buffer];
    world.receive(answer, { address: "10.0.0.9", port: 5351 });
    world.receive(answer, { address: "10.0.0.1", port: 5350 });
    const otherNonce = Buffer.from(answer);
    otherNonce[30] = otherNonce[30]! ^ 1;
    world.receive(otherNonce);
    const otherPort = Buffer.from(answer);
    otherPort.writeUInt16BE(51821, 40);
    world.receive(otherPort);
    world.receive(answer.subarray(0, 30));
    expect(world.news()).toEqual([]);
    world.receive(answer);
    expect(world.news()).toHaveLength(1);
    // Nothing was asked since.
    world.receive(answer);
    expect(world.news()).toEqual([]);
  });

  it("starts anew in another network, and makes sure of the mapping when the network is the same", () => {
    const world = new World().start(pcpGateway(grant));
    world.run(MINUTE_MS);
    world.news();
    world.tell({ type: "network-changed", network: NETWORK });
    world.run(1_000);
    expect(world.sent).toHaveLength(2);
    expect(world.news()).toEqual([]);
    world.gateway = pcpGateway({ ...grant, port: 5000 });
    world.tell({ type: "network-changed", network: { ...NETWORK, localAddress: "10.0.0.77" } });
    world.run(1_000);
    expect(world.news()).toEqual([
      { type: "lost", why: "the network has changed" },
      mapped("pcp", "203.0.113.5", 5000),
    ]);
    expect(world.sent.at(-1)?.bytes.subarray(20, 24).join(".")).toBe("10.0.0.77");
    world.tell({ type: "network-changed", network: null });
    expect(world.news()).toEqual([{ type: "lost", why: "the network has changed" }]);
    expect(world.mapper.nextDeadlineMs()).toBe(Number.POSITIVE_INFINITY);
  });

  it("asks IPv6 gateways by PCP alone", () => {
    const mapper = new PortMapper(51820, portMappingNonce(Buffer.from("secret")));
    let nowMs = 0;
    const network = { gateway: "fe80::1%eth0", localAddress: "2001:db8::2" };
    const actions = mapper.handle({ type: "network-changed", network }, nowMs);
    while (!actions.some(({ type }) => type === "unavailable")) {
      nowMs = mapper.nextDeadlineMs();
      actions.push(...mapper.handle({ type: "tick" }, nowMs));
    }
    const sent = actions.flatMap((action) => (action.type === "send" ? [action] : []));
    expect(sent.map(({ bytes }) => bytes[0])).toEqual([2, 2, 2]);
    expect(sent[0]?.destination).toEqual({ address: "fe80::1%eth0", port: 5351 });
  });

  it.each([
    ["pcp", pcpGateway(grant), 4],
    ["nat-pmp", natPmpGateway({ ...grant, saysUnsupported: true }), 8],
  ] as const)("gives the mapping back at the end (%s): a request with lifetime 0", (_protocol, gateway, lifetimeAt) => {
    const world = new World().start(gateway);
    world.run(1_000);
    const count = world.sent.length;
    world.tell({ type: "stop" });
    expect(world.sent).toHaveLength(count + 1);
    expect(world.sent.at(-1)?.bytes.readUInt32BE(lifetimeAt)).toBe(0);
    expect(world.mapper.mapping).toBeUndefined();
    expect(world.mapper.nextDeadlineMs()).toBe(Number.POSITIVE_INFINITY);
    world.tell({ type: "stop" });
    expect(world.sent).toHaveLength(count + 1);
  });
});
