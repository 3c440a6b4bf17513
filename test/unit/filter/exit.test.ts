import { beforeEach, describe, expect, it } from "vitest";
import { ACK, FIN, RST, SYN } from "../packet/wire.ts";
import { CLOSED, echo, FilteredHost, icmp, policy, rule, Talk, UNREACHABLE } from "./filtered-host.ts";

const EXIT = 3;
let host: FilteredHost;
const send = (packet: Uint8Array) => host.send(packet, EXIT, true);
const receive = (packet: Uint8Array) => host.receive(packet, EXIT, true);

describe.each([
  ["an open filter", undefined],
  ["rules", policy({ rules: [rule({ action: "deny", ports: [{ first: 25, last: 25 }] })] })],
  ["a default that denies", CLOSED],
] as const)("from an exit, under %s", (_, rules) => {
  beforeEach(() => {
    host = new FilteredHost(rules);
  });

  describe.each([4, 6] as const)("IPv%d", (family) => {
    it("comes nothing that was not asked for", () => {
      const talk = new Talk(family, 22, 50_000);
      for (const flags of [SYN, SYN | ACK, ACK, FIN | ACK, RST]) expect(receive(talk.tcp("in", flags))).toBe("unasked");
      expect(receive(talk.udp("in"))).toBe("unasked");
      expect(receive(echo(family, "in", false))).toBe("unasked");
      expect(receive(echo(family, "in", true))).toBe("unasked");
      expect(receive(icmp(family, "in", UNREACHABLE[family], [0, 0, 0, 0, ...talk.udp("out")]))).toBe("unasked");
      // What the same machine sends of its own is a matter of the rules.
      expect(host.receive(talk.tcp("in", SYN), EXIT)).not.toBe("unasked");
    });

    it("come the answers of a TCP connection, and no other one", () => {
      const talk = new Talk(family, 50_000, 443);
      for (const [direction, packet] of talk.handshake("out"))
        expect(direction === "out" ? send(packet) : receive(packet)).toBe("accept");
      expect(receive(talk.tcp("in", ACK))).toBe("accept");
      expect(receive(talk.tcp("in", SYN))).toBe("unasked");
      expect(receive(new Talk(family, 50_001, 443).tcp("in", SYN | ACK))).toBe("unasked");
      // Through another peer it would be another connection.
      expect(host.receive(talk.tcp("in", ACK), 4, true)).toBe("unasked");
      send(talk.tcp("out", FIN | ACK));
      receive(talk.tcp("in", FIN | ACK));
      expect(receive(talk.tcp("in", SYN))).toBe("unasked");
    });

    it("come the answers of a connection that is older than we, whatever its ports", () => {
      const talk = new Talk(family, 40_000, 60_000);
      expect(send(talk.tcp("out", ACK))).toBe("accept");
      expect(receive(talk.tcp("in", ACK))).toBe("accept");
    });

    it("come answers to UDP and echo requests, errors about them, and after a time nothing more", () => {
      const talk = new Talk(family, 50_000, 53);
      expect(send(talk.udp("out"))).toBe("accept");
      expect(receive(talk.udp("in"))).toBe("accept");
      expect(send(echo(family, "out", false))).toBe("accept");
      expect(receive(echo(family, "in", true))).toBe("accept");
      const error = icmp(family, "in", UNREACHABLE[family], [0, 0, 0, 0, ...talk.udp("out")]);
      expect(receive(error)).toBe("accept");
      host.pass(181);
      expect(receive(talk.udp("in"))).toBe("unasked");
      expect(receive(error)).toBe("unasked");
    });

    it("come answers on after other rules are in force", () => {
      const talk = new Talk(family, 50_000, 443);
      for (const [direction, packet] of talk.handshake("out")) direction === "out" ? send(packet) : receive(packet);
      host.use(CLOSED);
      expect(receive(talk.tcp("in"))).toBe("accept");
      host.use(policy({ rules: [rule({ action: "deny", direction: "out", ports: [{ first: 443, last: 443 }] })] }));
      expect(receive(talk.tcp("in"))).toBe("deny");
    });
  });
});
