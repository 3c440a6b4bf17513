import { describe, expect, it } from "vitest";
import { applyDelta, type NetworkMap } from "../../../src/api/network-map.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { ChangeLog } from "../../../src/coord/maps/change-log.ts";
import { Distribution } from "../../../src/coord/maps/distribution.ts";
import { MapBuilder } from "../../../src/coord/maps/map-builder.ts";
import { type Peer, Registry } from "../../../src/coord/registry.ts";
import type { CidrRow, PeerRow } from "../../../src/coord/store/schema.ts";

const network = {
  id: "5f3a6c1e-4a51-4d2f-9c3e-2b7d1a0f6e55",
  name: "mesh",
  domain: "mesh",
  cidr4: "10.86.0.0/16",
  cidr6: "fd00::/48",
};
const cidr: CidrRow = {
  id: 1,
  name: "members",
  parent_id: null,
  role: "default",
  cidr4: "",
  cidr6: "",
  enabled: 1,
  next_host: 1,
  created_at: 0,
};

function row(id: number): PeerRow {
  const key = (offset: number) => Buffer.alloc(32, id * 2 + offset).toString("base64");
  return {
    id,
    name: `peer-${id}`,
    machine_key: key(0),
    wireguard_key: key(1),
    key_proof: null,
    ip4: `10.86.0.${id}`,
    ip6: `fd00::${id}`,
    cidr_id: 1,
    admin: 0,
    state: "active",
    tags: "[]",
    ephemeral: 0,
    endpoints: "[]",
    override_endpoint: null,
    exit_families: "[]",
    advertised_routes: "[]",
    exit_forbidden: 0,
    approved_routes: "[]",
    token_id: null,
    created_at: 0,
    last_seen_at: null,
  };
}

/** A receiver whose buffers are emptied by hand. */
class HeldReceiver {
  readonly peerId: number;
  readonly messages: string[] = [];
  #onSent: (() => void) | undefined;
  #arrived: (() => void) | undefined;

  constructor(peerId: number) {
    this.peerId = peerId;
  }

  send(message: string, onSent: () => void): void {
    if (this.#onSent !== undefined) throw new Error("a second message while one is under way");
    this.messages.push(message);
    this.#onSent = onSent;
    this.#arrived?.();
  }

  /** What is under way has left. */
  drain(): void {
    const onSent = this.#onSent;
    this.#onSent = undefined;
    onSent?.();
  }

  nextMessage(): Promise<void> {
    return new Promise((resolve) => {
      this.#arrived = resolve;
    });
  }

  get map(): NetworkMap {
    let map: NetworkMap | undefined;
    for (const message of this.messages.map((text) => JSON.parse(text))) {
      map = message.type === "map" ? message.map : map && applyDelta(map, message.delta);
      if (map === undefined) throw new Error("a delta that does not follow");
    }
    return map!;
  }
}

function setUp() {
  const registry = new Registry([cidr], [row(1), row(2), row(3)], new ChangeLog<Peer>(10, 1000));
  const distribution = new Distribution(registry, systemClock, 0);
  const maps = new MapBuilder(network, registry);
  const subscribe = (receiver: HeldReceiver) => distribution.subscribe(receiver, maps.viewOf(receiver.peerId), null);
  return { registry, distribution, subscribe };
}

const endpointOf = (receiver: HeldReceiver, name: string) =>
  receiver.map.peers.find((peer) => peer.name === name)?.endpoints[0];

describe("distribution", () => {
  it("has one message under way to a slow reader, however much changes, and then one that brings it up to date", async () => {
    const { registry, distribution, subscribe } = setUp();
    const slow = new HeldReceiver(1);
    const quick = new HeldReceiver(3);
    subscribe(slow);
    subscribe(quick);
    quick.drain();
    for (let port = 1; port <= 100; port++) {
      const pushed = quick.nextMessage();
      registry.setEndpoints(2, [`192.0.2.2:${port}`]);
      await pushed;
      quick.drain();
    }
    expect(quick.messages).toHaveLength(101);
    expect(slow.messages).toHaveLength(1);
    slow.drain();
    expect(slow.messages).toHaveLength(2);
    expect(endpointOf(slow, "peer-2")).toBe("192.0.2.2:100");
    expect(slow.map.version).toBe(registry.version);
    slow.drain();
    expect(slow.messages).toHaveLength(2);
    distribution.close();
  });

  it("sends the changes of one turn of the event loop together", async () => {
    const { registry, distribution, subscribe } = setUp();
    const receiver = new HeldReceiver(1);
    subscribe(receiver);
    receiver.drain();
    const pushed = receiver.nextMessage();
    for (let port = 1; port <= 50; port++) registry.setEndpoints(2, [`192.0.2.2:${port}`]);
    registry.setPresence(3, true, 5);
    await pushed;
    expect(receiver.messages).toHaveLength(2);
    expect(JSON.parse(receiver.messages[1]!).delta.upserted).toHaveLength(2);
    distribution.close();
  });

  it("does not bother a peer with changes that it may not see, its own presence among them", async () => {
    const { registry, distribution, subscribe } = setUp();
    const receiver = new HeldReceiver(1);
    const other = new HeldReceiver(2);
    subscribe(receiver);
    subscribe(other);
    receiver.drain();
    other.drain();
    const pushed = other.nextMessage();
    registry.setPresence(1, true, 5);
    await pushed;
    expect(receiver.messages).toHaveLength(1);
    const next = receiver.nextMessage();
    registry.setPresence(3, true, 5);
    await next;
    expect(JSON.parse(receiver.messages[1]!).delta.upserted.map(({ name }: { name: string }) => name)).toEqual([
      "peer-3",
    ]);
    expect(receiver.map.version).toBe(registry.version);
    distribution.close();
  });

  it("sends nothing to whoever has unsubscribed", async () => {
    const { registry, distribution, subscribe } = setUp();
    const gone = new HeldReceiver(1);
    const witness = new HeldReceiver(3);
    const unsubscribe = subscribe(gone);
    subscribe(witness);
    witness.drain();
    registry.setEndpoints(2, ["192.0.2.2:1"]);
    unsubscribe();
    gone.drain();
    await witness.nextMessage();
    expect(gone.messages).toHaveLength(1);
    distribution.close();
  });
});
