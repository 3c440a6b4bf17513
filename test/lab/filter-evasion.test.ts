import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { FilterEntry } from "../../src/api/local-filter.ts";
import { loadKeys } from "../../src/daemon/membership/identity.ts";
import { networkPaths, resolveHome } from "../../src/daemon/networks/home.ts";
import { parseAddress } from "../../src/packet/address.ts";
import type { DropReason } from "../../src/router/shared/drop-reasons.ts";
import { servePorts } from "../support/lab/connections.ts";
import { eventually } from "../support/lab/eventually.ts";
import type { LabProcess } from "../support/lab/lab-process.ts";
import { meshJson, runMesh } from "../support/lab/mesh-command.ts";
import type { MeshPeer } from "../support/lab/mesh-peer.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";
import { StockPeer } from "../support/wireguard-lab/stock-peer.ts";
import { INTERFACE, type PeerSetting } from "../support/wireguard-lab/wireguard-end.ts";
import { fragmentOf, withExtensions } from "../unit/packet/cut-and-chain.ts";
import { ACK, buildPacket, bytesOf, FIN, type PacketSpec, RST, SYN, TCP, UDP } from "../unit/packet/wire.ts";

const INJECTOR = fileURLToPath(new URL("../support/lab/inject-packets.pl", import.meta.url));
const ALICE = "192.0.2.2:51820";
const OPEN_PORT = 8001;
const SHUT_PORT = 8002;
const UNREACHABLE = { 4: 3, 6: 1 } as const;
const NO_NEXT_HEADER = 59;

const TCP_FLAGS = [SYN, ACK, SYN | ACK, FIN, FIN | ACK, RST | ACK, 0, SYN | FIN];

type Family = 4 | 6;
type Drops = Partial<Record<DropReason, number>>;

/** Packets that the rogue sends one after the other, and what is to become of them. */
interface Attempt {
  readonly what: string;
  readonly packets: readonly Uint8Array[];
  readonly drops: Drops;
}

/**
 * Alice filters. Mallory is a member with real keys and no filter: after joining he runs wireguard-go, which sends what it is
 * given, and puts packets on its device as no kernel would.
 */
describe("a rogue peer", () => {
  let network: SmallNetwork;
  let alice: MeshPeer;
  let service: LabProcess;
  let mallory: StockPeer;
  let protectedEnd: PeerSetting;
  let injector: LabProcess;
  let sniffer: LabProcess;
  /** Inner addresses. */
  const address: Record<string, Record<Family, string>> = {};
  let barriers = 0;

  beforeAll(async () => {
    network = await SmallNetwork.open("alice", "bob", "mallory");
    await admin("cidr", "add", "strangers", "10.86.128.0/20");
    await admin("association", "add", "members", "strangers");
    const { token } = await network.server.createToken({ cidr: "strangers" });
    const [first, bob, member] = await Promise.all([
      network.join("alice"),
      network.join("bob"),
      network.join("mallory", { token }),
    ]);
    alice = first;
    for (const peer of [alice, bob, member]) {
      const { ip4, ip6 } = (await peer.status()).self!;
      address[peer.host.label] = { 4: ip4, 6: ip6 };
    }
    for (const name of ["bob", "mallory"]) await alice.reaches(name);
    protectedEnd = {
      publicKey: (await alice.status()).self!.publicKey,
      allowedIps: Object.values(address.alice!),
      endpoint: ALICE,
    };
    expect(await member.stop()).toBe(0);
    const keys = (await loadKeys(networkPaths(resolveHome(member.home), "mesh").directory))!;
    mallory = await StockPeer.start(member.host, {
      privateKey: Buffer.from(keys.exportWireguardPrivate()).toString("base64"),
      publicKey: Buffer.from(keys.wireguardKey).toString("base64"),
      // None yet: mallory's kernel is to say nothing of its own.
      addresses: [],
      mtu: 1420,
      peers: [protectedEnd],
    });
    const [link] = JSON.parse(await member.host.ip("-j", "link", "show", INTERFACE));
    injector = await member.host.start("perl", [INJECTOR, String(link.ifindex)]);
    service = await servePorts(alice.host, OPEN_PORT, SHUT_PORT);
    const from = Object.values(address.mallory!).map((ip) => `src host ${ip}`);
    sniffer = await alice.host.start("tcpdump", ["-lntq", "--immediate-mode", "-i", "mesh0", from.join(" or ")]);
    await sniffer.waitForOutput(/listening on/);
  });
  afterAll(() => network[Symbol.asyncDispose]());
  afterEach(async () => {
    const entries = (await meshJson(alice.host, alice.home, "filter", "list")) as FilterEntry[];
    for (const { id, layer } of entries) if (layer === "local") await alice.mesh("filter", "remove", id);
    await alice.mesh("filter", "default", "--unset");
  });

  const admin = async (...args: string[]) => {
    const { status, stderr } = await runMesh(network.serverHost, network.server.home, ...args);
    expect([status, stderr]).toEqual([0, ""]);
  };
  const dropsOf = async (): Promise<Drops> => (await alice.local.status()).dataPlane!.drops;

  const packet = (version: Family, fields: Omit<PacketSpec, "version" | "protocol">, protocol: 6 | 17 = UDP) =>
    buildPacket({
      version,
      protocol,
      source: parseAddress(address.mallory![version]),
      destination: parseAddress(address.alice![version]),
      sourcePort: 40_000,
      ...fields,
    });
  const udp = (version: Family, destinationPort: number, payloadBytes = 64, fields: Partial<PacketSpec> = {}) =>
    packet(version, { destinationPort, payload: bytesOf(payloadBytes), ...fields });
  const tcp = (version: Family, tcpFlags: number, fields: Partial<PacketSpec> = {}) =>
    packet(version, { destinationPort: SHUT_PORT, tcpFlags, ...fields }, TCP);
  /** An error of ICMP about a packet of alice's. */
  const unreachable = (version: Family) => {
    const [source, destination] = [parseAddress(address.alice![version]), parseAddress(address.mallory![version])];
    const quoted = udp(version, 53, 8, { source, destination });
    const headers = tcp(version, 0);
    const error = Uint8Array.from([
      ...headers.subarray(0, -20),
      UNREACHABLE[version],
      1,
      ...Array(6).fill(0),
      ...quoted,
    ]);
    const view = new DataView(error.buffer);
    view.setUint16(version === 4 ? 2 : 4, version === 4 ? error.length : error.length - 40);
    view.setUint8(version === 4 ? 9 : 6, version === 4 ? 1 : 58);
    return error;
  };

  const inject = (packets: readonly Uint8Array[]) =>
    injector.write(packets.map((each) => `${Buffer.from(each).toString("hex")}\n`).join(""));
  const since = (before: Drops, after: Drops): Drops =>
    Object.fromEntries(
      (Object.entries(after) as [DropReason, number][])
        .map(([reason, count]) => [reason, count - (before[reason] ?? 0)] as const)
        .filter(([reason, count]) => reason.startsWith("in-") && count > 0),
    );

  let nextId = 1000;
  /** In two fragments, cut at `at`; of the second what `other` has there. */
  const cut = (whole: Uint8Array, at: number, other = whole, overlapBytes = 0): [Uint8Array, Uint8Array] => {
    const id = ++nextId;
    const from = at - overlapBytes;
    return [
      fragmentOf(whole, { from: 0, to: at, more: true, id }),
      fragmentOf(other, { from, to: other.length, more: false, id }),
    ];
  };

  /** Sends them, and one that alice lets in. @returns what alice counted, and what her host was given */
  const send = async (packets: readonly Uint8Array[]) => {
    const before = await dropsOf();
    const from = sniffer.stdout.length;
    const sourcePort = 20_000 + ++barriers;
    inject([...packets, udp(4, OPEN_PORT, 8, { sourcePort })]);
    await sniffer.waitForOutput(new RegExp(`\\.${sourcePort} > .*\\n`));
    const drops = since(before, await dropsOf());
    const given = sniffer.stdout.slice(from).trimEnd().split("\n").length - 1;
    return { drops, given };
  };
  const outcomeOf = async (attempts: readonly Attempt[]) => {
    const outcome: Record<string, { drops: Drops; given: number }> = {};
    for (const { what, packets } of attempts) outcome[what] = await send(packets);
    return outcome;
  };
  const wanted = (attempts: readonly Attempt[]) =>
    Object.fromEntries(
      attempts.map(({ what, packets, drops }) => {
        const dropped = Object.values(drops).reduce((sum, count) => sum + count, 0);
        return [what, { drops, given: packets.length - dropped }];
      }),
    );

  /** Of which each has one packet that a listener would take, or is a part of one. */
  const legalShapes = (family: Family, port: number): Record<string, Uint8Array[]> => ({
    plain: [udp(family, port)],
    "two fragments": cut(udp(family, port, 2000), 1208),
    ...(family === 4
      ? { "IPv4 options": [udp(4, port, 64, { ipOptionsBytes: 8 })] }
      : Object.fromEntries(
          [[60], [0], [43], [44], [0, 60, 43, 60], Array<number>(8).fill(60)].map((chain) => [
            `extension headers ${chain}`,
            [withExtensions(udp(6, port), chain)],
          ]),
        )),
  });

  const filtered = (count = 1): Drops => ({ "in-filtered": count });
  /** What a rule or the default that shuts `SHUT_PORT` refuses. */
  const attemptsOn = (family: Family): Attempt[] => {
    const syn = tcp(family, SYN);
    const [first, last] = cut(udp(family, SHUT_PORT, 1000), 504);
    const allowed = udp(family, OPEN_PORT, 1000);
    const denied = udp(family, SHUT_PORT, 1000);
    const attempts: Attempt[] = Object.entries(legalShapes(family, SHUT_PORT)).map(([what, packets]) => ({
      what,
      packets,
      drops: { ...filtered(), ...(packets.length > 1 ? { "in-fragment": packets.length - 1 } : {}) },
    }));
    for (const sourcePort of [22, 53, OPEN_PORT, 40_000]) {
      const packets = [
        ...TCP_FLAGS.map((flags) => tcp(family, flags, { sourcePort })),
        udp(family, SHUT_PORT, 8, { sourcePort }),
      ];
      attempts.push({ what: `any flags from port ${sourcePort}`, packets, drops: filtered(packets.length) });
    }
    attempts.push(
      { what: "fragments, the last one first", packets: [last, first], drops: { ...filtered(), "in-fragment": 1 } },
      { what: "a later fragment alone", packets: [cut(denied, 504)[1]], drops: { "in-fragment": 1 } },
      { what: "a tiny first fragment", packets: cut(syn, 8), drops: { "in-malformed": 1, "in-fragment": 1 } },
      {
        what: "a second one over the header of an allowed first",
        packets: cut(allowed, 504, denied, 496),
        drops: { "in-fragment": 1 },
      },
      {
        what: "a second one over the end of an allowed first",
        packets: cut(allowed, 504, denied, 8),
        drops: { "in-fragment": 1 },
      },
    );
    if (family === 6) {
      const hidden = withExtensions(syn, [60, 60]);
      attempts.push(
        {
          what: "SYN behind extension headers",
          packets: [[60], [44], [0, 43, 60]].map((chain) => withExtensions(syn, chain)),
          drops: filtered(3),
        },
        { what: "a chain too long", packets: [withExtensions(syn, Array(9).fill(60))], drops: { "in-malformed": 1 } },
        {
          what: "a chain beyond the packet's end",
          packets: [withExtensions(syn, [60]).fill(255, 41, 42)],
          drops: { "in-malformed": 1 },
        },
        {
          what: "TCP behind the first fragment",
          packets: cut(hidden, 16),
          drops: { "in-malformed": 1, "in-fragment": 1 },
        },
        {
          what: "a fragment that says it is the first of another",
          packets: cut(withExtensions(allowed, [44]), 504),
          drops: { "in-malformed": 1, "in-fragment": 1 },
        },
      );
    }
    return attempts;
  };
  /** What belongs to nothing and names no port. */
  const strayAttempts = (family: Family): Attempt[] => [
    { what: "an ICMP error about what never was", packets: [unreachable(family)], drops: filtered() },
    {
      what: "no transport that anybody knows",
      packets: [
        family === 6 ? withExtensions(tcp(6, SYN), [60]).fill(NO_NEXT_HEADER, 40, 41) : tcp(4, SYN).fill(58, 9, 10),
      ],
      drops: filtered(),
    },
  ];

  describe.each<Family>([4, 6])("over IPv%i", (family) => {
    it("is heard on any port while nothing is filtered, in whatever legal shape", async () => {
      for (const [what, packets] of Object.entries(legalShapes(family, SHUT_PORT))) {
        const from = service.stdout.length;
        expect([what, await send(packets)]).toEqual([what, { drops: {}, given: packets.length }]);
        const payloadBytes = packets.length > 1 ? 2000 : 64;
        await eventually(what, () => service.stdout.slice(from).includes(`${SHUT_PORT} heard ${payloadBytes} from`));
      }
    });

    it.each([
      ["a rule denies", ["add", "--port", String(SHUT_PORT), "--action", "deny"], []],
      ["the default denies", ["add", "--port", String(OPEN_PORT), "--action", "allow"], ["default", "deny"]],
    ])("reaches no port that %s, however it is wrapped", async (what, rule, defaults) => {
      await alice.mesh("filter", ...rule);
      if (defaults.length > 0) await alice.mesh("filter", ...defaults);
      const from = service.stdout.length;
      const attempts = [...attemptsOn(family), ...(defaults.length > 0 ? strayAttempts(family) : [])];
      expect(await outcomeOf(attempts)).toEqual(wanted(attempts));
      const whole = cut(udp(family, OPEN_PORT, 2000), 1208);
      expect(await send(whole)).toEqual({ drops: {}, given: 2 });
      await eventually(`legal fragments where ${what}`, () =>
        service.stdout.slice(from).includes(`${OPEN_PORT} heard 2000 from`),
      );
      expect(service.stdout.slice(from)).not.toContain(`${SHUT_PORT} heard`);
    });

    it("speaks for nobody else", async () => {
      const sources = [address.bob![family], address.alice![family], family === 4 ? "127.0.0.1" : "::1"];
      const packets = sources.map((source) => udp(family, OPEN_PORT, 8, { source: parseAddress(source) }));
      expect(await send(packets)).toEqual({ drops: { "in-spoofed-source": 3 }, given: 0 });
    });
  });

  it("starts nothing over a one-way association, whatever its packets look like, and answers", async () => {
    await admin("association", "delete", "members", "strangers");
    await eventually("alice has lost mallory", async () => (await alice.peer("mallory")) === undefined);
    await admin("association", "add", "members", "strangers", "--one-way");
    await eventually("alice has mallory again", async () => (await alice.peer("mallory")) !== undefined);
    // Alice has forgotten the session: the first packet begins another.
    await mallory.setPeers([]);
    await mallory.setPeers([protectedEnd]);
    const beforeAny = await dropsOf();
    const refused = (before: Drops, count: number) =>
      eventually(
        `${count} packets are refused`,
        async () => (since(before, await dropsOf())["in-one-way"] ?? 0) >= count,
        { timeoutMs: 15_000 },
      );
    inject([tcp(4, SYN)]);
    await refused(beforeAny, 1);
    const before = await dropsOf();
    const from = sniffer.stdout.length;
    const packets = ([4, 6] as const).flatMap((family) => [
      ...[22, 53, 40_000].flatMap((sourcePort) => [
        ...TCP_FLAGS.map((flags) => tcp(family, flags, { sourcePort })),
        udp(family, OPEN_PORT, 8, { sourcePort }),
      ]),
      unreachable(family),
      ...Object.values(legalShapes(family, OPEN_PORT)).flat(),
    ]);
    inject(packets);
    const fragments = 2;
    const expected = { "in-one-way": packets.length - fragments, "in-fragment": fragments };
    await refused(before, expected["in-one-way"]);
    expect(since(before, await dropsOf())).toEqual(expected);

    for (const ip of Object.values(address.mallory!)) await mallory.host.ip("address", "add", ip, "dev", INTERFACE);
    for (const ip of protectedEnd.allowedIps) await mallory.host.ip("route", "add", ip, "dev", INTERFACE);
    await servePorts(mallory.host, OPEN_PORT);
    const localPort = (family: Family) => 45_000 + family;
    for (const [family, host] of [
      [4, address.mallory![4]],
      [6, `[${address.mallory![6]}]`],
    ] as const) {
      const args = ["-sS", "-g", "-m", "5", "--local-port", String(localPort(family)), `http://${host}:${OPEN_PORT}/`];
      expect(await alice.host.must("curl", ...args)).toBe(`port ${OPEN_PORT}\n`);
    }
    // The ports of a connection of alice's, which is over, are no way in.
    const ended = (family: Family) => ({ sourcePort: OPEN_PORT, destinationPort: localPort(family) });
    inject(([4, 6] as const).map((family) => tcp(family, SYN, ended(family))));
    const again = { ...expected, "in-one-way": expected["in-one-way"] + 2 };
    await refused(before, again["in-one-way"]);
    expect(since(before, await dropsOf())).toEqual(again);
    const given = sniffer.stdout.slice(from).trimEnd().split("\n");
    expect(given.filter((line) => !line.includes(`.${OPEN_PORT} > `))).toEqual([]);
  });
});
