import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyDelta, mapDeltaSchema, type NetworkMap, networkMapSchema } from "../../../src/api/network-map.ts";
import type { StoredRule } from "../../../src/coord/filter/stored-rule.ts";
import { ChangeLog } from "../../../src/coord/maps/change-log.ts";
import { MapBuilder } from "../../../src/coord/maps/map-builder.ts";
import { type Peer, Registry } from "../../../src/coord/registry.ts";
import type { AssociationRow, CidrRow, PeerRow } from "../../../src/coord/store/schema.ts";
import { parseCidr } from "../../../src/packet/cidr.ts";

const network = {
  id: "5f3a6c1e-4a51-4d2f-9c3e-2b7d1a0f6e55",
  name: "mesh",
  domain: "mesh",
  cidr4: "10.86.0.0/16",
  cidr6: "fd00:1:2::/48",
};
const cidrs: CidrRow[] = [
  [1, "root", null, "root", 16],
  [2, "infra", 1, "infra", 24],
  [3, "members", 1, "default", 24],
  [4, "guests", 1, null, 24],
].map(([id, name, parent_id, role, bits]) => ({
  id: id as number,
  name: name as string,
  parent_id: parent_id as number | null,
  role: role as CidrRow["role"],
  cidr4: `10.86.${id === 1 ? 0 : id}.0/${bits}`,
  cidr6: `fd00:1:2:${id === 1 ? 0 : id}00::/${(bits as number) + 32}`,
  enabled: 1,
  next_host: 1,
  created_at: 0,
}));

const key = (id: number, generation: number) => Buffer.alloc(32, id * 8 + generation).toString("base64");

function row(id: number, changes: Partial<PeerRow> = {}): PeerRow {
  return {
    id,
    name: `peer-${id}`,
    machine_key: key(id, 7),
    wireguard_key: key(id, 0),
    key_proof: null,
    ip4: `10.86.64.${id}`,
    ip6: `fd00:1:2:4000::${id}`,
    cidr_id: 2 + (id % 3),
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
    ...changes,
  };
}

type Change = {
  readonly id: number;
  readonly kind: "row" | "remove" | "presence" | "endpoints" | "tree" | "rules";
  readonly value: number;
};

const changeArbitrary: fc.Arbitrary<Change> = fc.record({
  id: fc.integer({ min: 1, max: 9 }),
  kind: fc.constantFrom("row", "remove", "presence", "endpoints", "tree", "rules"),
  value: fc.nat(3),
});

/** Some tree or other: guests or members renamed or disabled, joined or not, one way or both. */
function treeOf(id: number, value: number): [CidrRow[], AssociationRow[]] {
  const rows = cidrs.map((cidr) => {
    if (cidr.id === 4 && id % 2 === 0) return { ...cidr, name: "visitors" };
    return cidr.id === 3 + (id % 2) && value === 3 ? { ...cidr, enabled: 0 as const } : cidr;
  });
  const association: AssociationRow = { id, from_id: 3, to_id: 4, one_way: value === 1 ? 1 : 0, created_at: 0 };
  return [rows, value === 0 ? [] : [value === 2 ? { ...association, from_id: 4, to_id: 3, one_way: 1 } : association]];
}

/** Some rules or other, about who has a tag, who is in a CIDR, and a range. */
function rulesOf(id: number, value: number): StoredRule[] {
  const tagged = { kind: "tag" as const, tag: "odd" };
  const cidr = { kind: "cidr" as const, id: 1 + (id % 4) };
  const range = { kind: "range" as const, range: parseCidr("10.86.64.0/30") };
  const what = { action: "deny", protocol: "tcp", ports: "22", comment: null, expiresAtMs: null } as const;
  return [
    { ...what, id: "a", source: tagged, destination: cidr },
    { ...what, id: "b", source: range, destination: { kind: "any" as const } },
    { ...what, id: "c", source: cidr, destination: range },
  ].slice(0, value);
}

function apply(registry: Registry, { id, kind, value }: Change): void {
  if (kind === "row") {
    registry.applyRow(
      row(id, {
        wireguard_key: key(id, value),
        state: value === 3 ? "disabled" : "active",
        tags: value === 2 ? '["odd"]' : "[]",
        admin: value === 1 ? 1 : 0,
      }),
    );
  } else if (kind === "remove") {
    registry.remove(id);
  } else if (kind === "presence") {
    registry.setPresence(id, value > 1, 1000 * value);
  } else if (kind === "rules") {
    registry.setFilterRules(rulesOf(id, value));
  } else if (kind === "tree") {
    registry.applyTree(...treeOf(id, value));
  } else {
    registry.setEndpoints(id, [`192.0.2.${id}:${value + 1}`]);
  }
}

function freshRegistry(history: number): Registry {
  return new Registry(cidrs, [row(1), row(2), row(3), row(4)], new ChangeLog<Peer>(100, history));
}

function wholeMap(builder: MapBuilder, viewer: Peer): NetworkMap {
  return networkMapSchema.parse(JSON.parse(builder.mapMessage(viewer)).map);
}

const byName = (map: NetworkMap) => ({ ...map, peers: [...map.peers].sort((a, b) => (a.name < b.name ? -1 : 1)) });

describe("map deltas", () => {
  it("lead from any version to the same map as a whole map, for every viewer", () => {
    fc.assert(
      fc.property(
        fc.array(changeArbitrary, { maxLength: 25 }),
        fc.array(changeArbitrary, { minLength: 1, maxLength: 25 }),
        (early, late) => {
          const registry = freshRegistry(1000);
          const builder = new MapBuilder(network, registry);
          for (const change of early) apply(registry, change);
          const held = new Map([...registry.peers()].map((peer) => [peer.id, wholeMap(builder, peer)]));
          for (const change of late) apply(registry, change);
          for (const [id, map] of held) {
            const viewer = registry.byId(id);
            if (viewer === undefined) continue;
            const message = builder.deltaMessage(viewer, map.version, map.version);
            if (message === "out-of-reach") continue;
            const delta = message === "nothing" ? undefined : mapDeltaSchema.parse(JSON.parse(message).delta);
            const updated = delta === undefined ? map : applyDelta(map, delta)!;
            expect(byName({ ...updated, version: 0 })).toEqual(byName({ ...wholeMap(builder, viewer), version: 0 }));
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it("name nobody whom the viewer could not and cannot see", () => {
    fc.assert(
      fc.property(fc.array(changeArbitrary, { minLength: 1, maxLength: 30 }), (changes) => {
        const registry = freshRegistry(1000);
        const builder = new MapBuilder(network, registry);
        const { version } = registry;
        for (const change of changes) if (change.kind !== "tree") apply(registry, change);
        // Peer 1 is in members, peer 2 in guests: neither may ever hear of the other's CIDR.
        const viewer = registry.byId(1);
        if (viewer === undefined) return;
        const message = builder.deltaMessage(viewer, version, version);
        for (const foreign of [2, 5, 8]) {
          for (let generation = 0; generation < 4; generation++) {
            expect(message).not.toContain(key(foreign, generation));
          }
        }
      }),
    );
  });

  it("are out of reach beyond the history kept, and for versions that were never made", () => {
    const registry = freshRegistry(3);
    const builder = new MapBuilder(network, registry);
    const viewer = () => registry.byId(1)!;
    const { version } = registry;
    for (let value = 0; value < 12; value++) registry.setEndpoints(3, [`192.0.2.3:${value + 1}`]);
    expect(builder.deltaMessage(viewer(), version, version)).toBe("out-of-reach");
    expect(builder.deltaMessage(viewer(), version + 99, version + 99)).toBe("out-of-reach");
    expect(builder.deltaMessage(viewer(), version + 12, version + 12)).toBe("nothing");
    expect(builder.deltaMessage(viewer(), version + 9, version + 9)).toMatch(/^\{"type":"delta"/);
  });

  it("of the tree name whom it joins and parts, and with the CIDRs what may be known of them", () => {
    const registry = freshRegistry(10);
    const builder = new MapBuilder(network, registry);
    // Peers 1 and 4 are in members, 2 in guests, 3 in infra.
    const deltaTo = (id: number, version: number) => {
      const text = builder.deltaMessage(registry.byId(id)!, version, version);
      return text === "nothing" ? text : mapDeltaSchema.parse(JSON.parse(text).delta);
    };
    const apart = registry.version;
    registry.applyTree(cidrs, [{ id: 1, from_id: 3, to_id: 4, one_way: 1, created_at: 0 }]);
    const joined = registry.version;
    const names = (id: number) => registry.tree.seenFrom(registry.byId(id)!.cidrId).map(({ name }) => name);
    expect(names(1)).toEqual(["root", "infra", "members", "guests"]);
    expect(deltaTo(1, apart)).toMatchObject({ removed: [], upserted: [{ name: "peer-2", mayStart: "self" }] });
    expect(deltaTo(2, apart)).toMatchObject({
      removed: [],
      cidrs: [{ name: "root" }, { name: "infra" }, { name: "members" }, { name: "guests" }],
      upserted: [
        { name: "peer-1", mayStart: "peer" },
        { name: "peer-4", mayStart: "peer" },
      ],
    });
    expect(deltaTo(3, apart)).toBe("nothing");
    registry.applyTree(cidrs, []);
    expect(names(2)).toEqual(["root", "infra", "guests"]);
    expect(deltaTo(2, joined)).toMatchObject({ removed: [key(1, 0), key(4, 0)], upserted: [] });
    expect(deltaTo(2, apart)).toBe("nothing");
  });

  it("carry a change of the peer's own entry", () => {
    const registry = freshRegistry(10);
    const builder = new MapBuilder(network, registry);
    const { version } = registry;
    registry.applyRow(row(1, { admin: 1, tags: '["web"]' }));
    const { delta } = JSON.parse(builder.deltaMessage(registry.byId(1)!, version, version));
    expect(delta).toMatchObject({ self: { admin: true, tags: ["web"] }, removed: [], upserted: [] });
  });
});

describe("change log", () => {
  it("keeps at least its capacity, and tells each thing once with its state at the version asked for", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 60 }),
        (capacity, ids) => {
          const log = new ChangeLog<string>(7, capacity);
          const states: Map<number, string>[] = [new Map()];
          ids.forEach((id, step) => {
            const last = states.at(-1)!;
            log.record(id, last.get(id));
            states.push(new Map(last).set(id, `state ${step}`));
          });
          expect(log.version).toBe(7 + ids.length);
          for (let back = 0; back <= ids.length; back++) {
            const since = log.since(log.version - back);
            if (back <= capacity) expect(since).toBeDefined();
            if (since === undefined) continue;
            const then = states[ids.length - back]!;
            expect(new Set(since.keys())).toEqual(new Set(ids.slice(ids.length - back)));
            for (const [id, before] of since) expect(before).toBe(then.get(id));
          }
        },
      ),
    );
  });
});
