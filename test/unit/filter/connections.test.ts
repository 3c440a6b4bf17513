import { describe, expect, it } from "vitest";
import { ACK, FIN, RST, SYN } from "../packet/wire.ts";
import {
  CLOSED,
  ECHO_REQUEST,
  echo,
  type Family,
  FilteredHost,
  icmp,
  policy,
  rule,
  Talk,
  UNREACHABLE,
} from "./filtered-host.ts";

const port = (number: number) => [{ first: number, last: number }];

function exchange(host: FilteredHost, packets: readonly (readonly ["in" | "out", Uint8Array])[]): string[] {
  return packets.map(([direction, packet]) => (direction === "in" ? host.receive(packet) : host.send(packet)));
}

describe.each<Family>([4, 6])("connections over IPv%d", (family) => {
  it("of ours get their replies where nothing is let in: TCP, UDP, ping", () => {
    const host = new FilteredHost(CLOSED);
    const web = new Talk(family, 40_000, 443);
    expect(host.receive(web.tcp("in", SYN | ACK))).toBe("deny");
    expect(exchange(host, web.handshake("out"))).toEqual(["accept", "accept", "accept"]);
    expect(host.receive(web.tcp("in"))).toBe("accept");
    const dns = new Talk(family, 40_001, 53);
    expect(host.receive(dns.udp("in"))).toBe("deny");
    expect([host.send(dns.udp("out")), host.receive(dns.udp("in"))]).toEqual(["accept", "accept"]);
    expect(host.receive(echo(family, "in", true))).toBe("deny");
    expect([host.send(echo(family, "out", false)), host.receive(echo(family, "in", true))]).toEqual([
      "accept",
      "accept",
    ]);
    expect(host.receive(echo(family, "in", true, 10))).toBe("deny");
    expect(host.cells.connections).toBe(3);
  });

  it("of the peer are let in by a rule, and then answered also where nothing else goes out", () => {
    const rules = [rule({ ports: port(22) }), rule({ protocol: "icmp" })];
    const host = new FilteredHost(policy({ rules, defaults: { in: "deny", out: "deny" } }));
    const ssh = new Talk(family, 22, 50_000);
    expect(exchange(host, ssh.handshake("in"))).toEqual(["accept", "accept", "accept"]);
    expect(exchange(host, new Talk(family, 23, 50_000).handshake("in"))[0]).toBe("deny");
    expect(host.send(new Talk(family, 40_000, 22).tcp("out", SYN))).toBe("deny");
    expect([host.receive(echo(family, "in", false)), host.send(echo(family, "out", true))]).toEqual([
      "accept",
      "accept",
    ]);
    expect(host.send(echo(family, "out", false))).toBe("deny");
  });

  it("do not open the way back for a new one, nor for a ping in the other direction", () => {
    const host = new FilteredHost(CLOSED);
    const talk = new Talk(family, 40_000, 443);
    exchange(host, talk.handshake("out"));
    expect(host.receive(talk.tcp("in", SYN))).toBe("deny");
    expect(host.receive(talk.tcp("in"))).toBe("accept");
    host.send(echo(family, "out", false));
    expect(host.receive(echo(family, "in", false))).toBe("deny");
  });

  it("pass ICMP errors about them, and no others", () => {
    const host = new FilteredHost(CLOSED);
    const talk = new Talk(family, 40_000, 53);
    const sent = talk.udp("out", new Uint8Array(600));
    // As little of it as an error may quote (RFC 792): header and 8 bytes.
    const quote = [0, 0, 0, 0, ...sent.subarray(0, (family === 4 ? 20 : 40) + 8)];
    const error = icmp(family, "in", UNREACHABLE[family], quote);
    expect(host.receive(error)).toBe("deny");
    host.send(sent);
    expect(host.receive(error)).toBe("accept");
    // From another peer, about another port, about a packet that was not ours, and cut short.
    expect(host.receive(error, 4)).toBe("deny");
    const other = new Talk(family, 40_001, 53).udp("out");
    expect(host.receive(icmp(family, "in", UNREACHABLE[family], [0, 0, 0, 0, ...other]))).toBe("deny");
    expect(host.receive(icmp(family, "in", UNREACHABLE[family], [0, 0, 0, 0, ...talk.udp("in")]))).toBe("deny");
    expect(host.receive(icmp(family, "in", UNREACHABLE[family], quote.slice(0, -1)))).toBe("deny");
    host.send(echo(family, "out", false));
    const aboutPing = [0, 0, 0, 0, ...echo(family, "out", false)];
    expect(host.receive(icmp(family, "in", UNREACHABLE[family], aboutPing))).toBe("accept");
    // A redirect is believed by nobody.
    expect(host.receive(icmp(family, "in", family === 4 ? 5 : 137, quote))).toBe("deny");
  });

  it("are cut when new rules refuse them, in both directions, and stay cut", () => {
    const host = new FilteredHost(policy({ rules: [rule({ ports: port(80) })] }));
    const ssh = new Talk(family, 22, 50_000);
    exchange(host, ssh.handshake("in"));
    host.use(policy({ rules: [rule({ action: "deny", ports: port(22) })] }));
    // Our own repetitions must not open it anew from this side.
    expect([host.send(ssh.tcp("out")), host.receive(ssh.tcp("in"))]).toEqual(["deny", "deny"]);
    host.pass(200);
    expect(host.send(ssh.tcp("out"))).toBe("deny");
    host.pass(200);
    expect(host.receive(ssh.tcp("in"))).toBe("deny");
    expect(host.receive(ssh.tcp("in", SYN))).toBe("deny");
    host.use(policy({ rules: [rule({ action: "deny", ports: port(23) })] }));
    expect(host.receive(ssh.tcp("in"))).toBe("accept");
  });

  it("go on when new rules allow them, those of an open filter as well", () => {
    const host = new FilteredHost();
    const download = new Talk(family, 40_000, 443);
    const ssh = new Talk(family, 22, 50_000);
    exchange(host, download.handshake("out"));
    exchange(host, ssh.handshake("in"));
    host.use(CLOSED);
    // Nothing but data of the other end, as in a download.
    expect(host.receive(download.tcp("in"))).toBe("accept");
    expect(host.receive(ssh.tcp("in"))).toBe("deny");
    expect(host.send(ssh.tcp("out"))).toBe("deny");
  });

  it("are cut, and counted as such, when their association becomes one-way, and go on when it is two-way again", () => {
    const host = new FilteredHost();
    const [theirs, ours] = [new Talk(family, 22, 50_000), new Talk(family, 40_000, 443)];
    exchange(host, theirs.handshake("in"));
    exchange(host, ours.handshake("out"));
    host.use(policy({ oneWay: new Map([[3, "self"]]) }));
    for (let i = 0; i < 2; i++)
      expect([host.receive(theirs.tcp("in")), host.send(theirs.tcp("out"))]).toEqual(["oneWay", "oneWay"]);
    expect([host.receive(ours.tcp("in")), host.send(ours.tcp("out"))]).toEqual(["accept", "accept"]);
    host.use(CLOSED);
    expect(host.receive(theirs.tcp("in"))).toBe("deny");
    host.use(policy({ rules: [rule({})] }));
    expect(host.receive(theirs.tcp("in"))).toBe("accept");
  });

  it("that are older than the filter count as opened by the end with the higher port", () => {
    const deny = rule({ action: "deny", ports: port(22) });
    const host = new FilteredHost(policy({ rules: [deny] }));
    const ssh = new Talk(family, 22, 50_000);
    expect([host.send(ssh.tcp("out")), host.receive(ssh.tcp("in"))]).toEqual(["deny", "deny"]);
    const stream = new Talk(family, 22, 50_001);
    expect(host.send(stream.udp("out"))).toBe("deny");
    host.pass(170);
    expect(host.send(stream.udp("out"))).toBe("deny");
    host.pass(170);
    expect(host.send(stream.udp("out"))).toBe("deny");
    expect(host.send(new Talk(family, 22, 50_002).udp("out"))).toBe("accept");
    // A bare ACK of the peer gets in nowhere, whatever its ports say.
    host.use(CLOSED);
    expect(host.receive(new Talk(family, 50_000, 22).tcp("in", ACK))).toBe("deny");
    expect(host.receive(new Talk(family, 50_000, 22).tcp("in", FIN))).toBe("deny");
    expect(host.send(new Talk(family, 50_000, 22).tcp("out", ACK))).toBe("accept");
    expect(host.receive(new Talk(family, 50_000, 22).tcp("in", ACK))).toBe("accept");
  });

  it("of UDP may be new as well: defaults are held against no guess, whichever way the ports look", () => {
    const [low, high] = [new Talk(family, 33_000, 51_820), new Talk(family, 51_820, 33_000)];
    const oneWay = new Map([[3, "self"]] as const);
    for (const wanted of [CLOSED, policy({ oneWay })]) {
      const host = new FilteredHost(wanted);
      for (const talk of [low, high]) {
        expect(host.receive(talk.udp("in"))).not.toBe("accept");
        expect([host.send(talk.udp("out")), host.receive(talk.udp("in"))]).toEqual(["accept", "accept"]);
      }
    }
    const mute = new FilteredHost(policy({ defaults: { in: "allow", out: "deny" } }));
    for (const talk of [low, high]) {
      expect(mute.send(talk.udp("out"))).toBe("deny");
      expect([mute.receive(talk.udp("in")), mute.send(talk.udp("out"))]).toEqual(["accept", "accept"]);
    }
  });

  it("may start at one end only where an association is one-way, whatever the rules allow", () => {
    const rules = [rule({ protocol: "any" })];
    const host = new FilteredHost(policy({ rules, oneWay: new Map([[3, "self"]]) }));
    const ours = new Talk(family, 40_000, 22);
    expect(exchange(host, ours.handshake("out"))).toEqual(["accept", "accept", "accept"]);
    expect(host.receive(new Talk(family, 22, 40_000).tcp("in", SYN))).toBe("oneWay");
    expect(host.receive(ours.tcp("in", SYN))).toBe("oneWay");
    expect(host.receive(echo(family, "in", false))).toBe("oneWay");
    expect([host.send(echo(family, "out", false)), host.receive(echo(family, "in", true))]).toEqual([
      "accept",
      "accept",
    ]);
    expect(host.receive(new Talk(family, 22, 40_000).tcp("in", SYN), 4)).toBe("accept");
    const other = new FilteredHost(policy({ rules, oneWay: new Map([[3, "peer"]]) }));
    expect(other.send(ours.tcp("out", SYN))).toBe("oneWay");
    expect(exchange(other, new Talk(family, 22, 40_000).handshake("in"))).toEqual(["accept", "accept", "accept"]);
  });
});

describe("the life of a connection", () => {
  const host = () => new FilteredHost(CLOSED);
  const talk = new Talk(4, 40_000, 443);

  it("of TCP is long once it stands, short before and after", () => {
    const opening = host();
    opening.send(talk.tcp("out", SYN));
    opening.pass(61);
    expect(opening.receive(talk.tcp("in", SYN | ACK))).toBe("deny");
    const standing = host();
    exchange(standing, talk.handshake("out"));
    standing.pass(20 * 3600);
    expect(standing.receive(talk.tcp("in"))).toBe("accept");
    standing.receive(talk.tcp("in", FIN | ACK));
    standing.pass(200);
    expect(standing.receive(talk.tcp("in"))).toBe("accept");
    standing.send(talk.tcp("out", FIN | ACK));
    expect(standing.receive(talk.tcp("in"))).toBe("accept");
    standing.pass(31);
    expect(standing.receive(talk.tcp("in"))).toBe("deny");
  });

  it("ends with a reset; the same ports may then begin anew", () => {
    const node = host();
    exchange(node, talk.handshake("out"));
    node.receive(talk.tcp("in", RST));
    expect(exchange(node, talk.handshake("out"))).toEqual(["accept", "accept", "accept"]);
    node.pass(3600);
    expect(node.receive(talk.tcp("in"))).toBe("accept");
  });

  it("of UDP is half a minute, or three with an answer", () => {
    const node = host();
    node.send(talk.udp("out"));
    node.pass(31);
    expect(node.receive(talk.udp("in"))).toBe("deny");
    node.send(talk.udp("out"));
    node.receive(talk.udp("in"));
    node.pass(170);
    expect(node.receive(talk.udp("in"))).toBe("accept");
    node.pass(181);
    expect(node.receive(talk.udp("in"))).toBe("deny");
  });

  it("is refused in a full table, where half-open ones make room and others do not", () => {
    const node = new FilteredHost(policy({ rules: [rule({})] }), 64);
    for (let i = 0; i < 64; i++) exchange(node, new Talk(4, 80, 1000 + i).handshake("in"));
    expect(node.cells.connections).toBe(64);
    expect(node.receive(new Talk(4, 80, 2000).tcp("in", SYN))).toBe("tableFull");
    expect(node.receive(new Talk(4, 80, 1005).tcp("in"))).toBe("accept");
    const flooded = new FilteredHost(policy({ rules: [rule({})] }), 64);
    for (let i = 0; i < 1000; i++) expect(flooded.receive(new Talk(4, 80, 1000 + i).tcp("in", SYN))).toBe("accept");
    expect(flooded.cells.connections).toBeLessThanOrEqual(64);
    node.pass(25 * 3600);
    expect(node.receive(new Talk(4, 80, 2000).tcp("in", SYN))).toBe("accept");
  });

  it("is counted once, and refusals as often as they are asked for", () => {
    const rules = [rule({ slot: 1, ports: port(80) }), rule({ slot: 2, action: "deny", ports: port(22) })];
    const node = new FilteredHost(policy({ rules }));
    exchange(node, new Talk(4, 80, 5000).handshake("in"));
    for (let i = 0; i < 3; i++) node.receive(new Talk(4, 22, 5000).tcp("in", SYN));
    expect([node.cells.hits(1), node.cells.hits(2)]).toEqual([1, 3]);
  });

  it("has a ping from either end, with one identifier, as two", () => {
    const node = new FilteredHost(
      policy({ rules: [rule({ protocol: "icmp" })], defaults: { in: "deny", out: "deny" } }),
    );
    expect(node.receive(echo(4, "in", false))).toBe("accept");
    expect(node.send(echo(4, "out", false))).toBe("deny");
    expect(node.send(echo(4, "out", true))).toBe("accept");
    expect(node.receive(icmp(4, "in", ECHO_REQUEST[6], [0, 0, 0, 0]))).toBe("accept");
  });
});
