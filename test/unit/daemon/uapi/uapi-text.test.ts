import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UapiRequestReader, uapiDump } from "../../../../src/daemon/uapi/uapi-text.ts";
import type { TunnelPeerStatus } from "../../../../src/router/tunnel/tunnel.ts";
import { randomKey } from "../../../support/network-map.ts";

const peer: TunnelPeerStatus = {
  publicKey: Buffer.alloc(32, 0xab).toString("base64"),
  endpoint: "[2001:db8::1]:51820",
  allowedIps: ["10.86.0.2/32", "fd86::2/128"],
  lastHandshakeAtMs: 1_700_000_000_250,
  handshakes: 0,
  sessionUp: true,
  rxBytes: 2 ** 40,
  txBytes: 148,
  rxMessages: 1,
  txMessages: 1,
  drops: {},
  persistentKeepaliveSeconds: 25,
  paths: undefined,
};

describe("UAPI get=1 (wireguard.com/xplatform)", () => {
  it("has the interface first, then every peer from its public_key on, then errno", () => {
    const privateKey = Buffer.alloc(32, 1);
    const dump = [...uapiDump({ privateKey, listenPort: 51820, fwmark: 0, peers: [peer] })].join("");
    expect(dump).toBe(
      [
        `private_key=${"01".repeat(32)}`,
        "listen_port=51820",
        `public_key=${"ab".repeat(32)}`,
        `preshared_key=${"00".repeat(32)}`,
        "protocol_version=1",
        "endpoint=[2001:db8::1]:51820",
        "last_handshake_time_sec=1700000000",
        "last_handshake_time_nsec=250000000",
        "tx_bytes=148",
        `rx_bytes=${2 ** 40}`,
        "persistent_keepalive_interval=25",
        "allowed_ip=10.86.0.2/32",
        "allowed_ip=fd86::2/128",
        "errno=0",
        "",
        "",
      ].join("\n"),
    );
  });

  it("leaves the endpoint out and the handshake at zero for a peer never heard of", () => {
    const silent = { ...peer, endpoint: null, lastHandshakeAtMs: null };
    const dump = [...uapiDump({ privateKey: Buffer.alloc(32), listenPort: 1, fwmark: 7, peers: [silent] })].join("");
    expect(dump).not.toContain("endpoint=");
    expect(dump).toContain("last_handshake_time_sec=0\nlast_handshake_time_nsec=0\n");
    expect(dump).toContain("fwmark=7\n");
  });

  it("comes in one chunk a peer, however many there are", () => {
    const peers = Array.from({ length: 1000 }, () => ({ ...peer, publicKey: randomKey() }));
    const chunks = [...uapiDump({ privateKey: Buffer.alloc(32), listenPort: 1, fwmark: 0, peers })];
    expect(chunks).toHaveLength(1002);
    expect(Math.max(...chunks.map((chunk) => chunk.length))).toBeLessThan(1024);
  });
});

describe("UAPI requests", () => {
  it("are told apart, however the stream is cut", () => {
    const stream = "get=1\n\nset=1\nprivate_key=00\nreplace_peers=true\n\nget=2\n\nget=1\n\n";
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 12 })), (sizes) => {
        const reader = new UapiRequestReader();
        const requests = [];
        let rest = stream;
        for (const size of sizes) {
          requests.push(...reader.push(rest.slice(0, size)));
          rest = rest.slice(size);
        }
        requests.push(...reader.push(rest));
        expect(requests).toEqual(["get", "set", "unknown", "get"]);
      }),
    );
  });

  it("never keep a line without end", () => {
    const reader = new UapiRequestReader();
    expect(() => {
      for (let chunk = 0; chunk < 100; chunk++) reader.push("x".repeat(1000));
    }).toThrow(RangeError);
  });
});
