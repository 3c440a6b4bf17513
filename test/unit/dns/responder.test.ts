import dnsPacket from "dns-packet";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Asker } from "../../../src/dns/asker.ts";
import { MAX_MESSAGE_BYTES } from "../../../src/dns/constants.ts";
import type { Forwarded } from "../../../src/dns/forward/forwarder.ts";
import { readLayout } from "../../../src/dns/message/layout.ts";
import { finish, passOn, udpLimitOf } from "../../../src/dns/message/reply.ts";
import { Responder } from "../../../src/dns/responder.ts";
import { Zone } from "../../../src/dns/zone/zone.ts";
import { type Asked, decode, lines, query, queryBytes } from "../../support/dns/messages.ts";
import { mapPeer, networkMap } from "../../support/network-map.ts";

const texts = Array.from({ length: 40 }, (_, i) => ({
  name: "many",
  type: "TXT" as const,
  data: `${String(i).padStart(2, "0")}${"x".repeat(98)}`,
  ttlSeconds: null,
}));
const zone = new Zone(
  networkMap([mapPeer("alice", 2)], {
    dns: {
      records: [...texts, { name: "out", type: "CNAME", data: "www.example.com", ttlSeconds: 9 }],
      servers: [],
      splits: [],
    },
  }),
);

const outside = (answer: Buffer | undefined): Forwarded => ({
  answer,
  ageSeconds: 0,
  server: "192.0.2.53",
  isCached: false,
  failures: [],
});
let servesPeers = false;
/** What is asked of others. */
const asked: string[] = [];
const responder = new Responder({
  zone: () => zone,
  servesPeers: () => servesPeers,
  forwarder: {
    resolve: (query) => {
      asked.push(query.name);
      if (query.name.startsWith("dead")) return outside(undefined);
      const name = query.name.toLowerCase();
      const question = dnsPacket.encode({ questions: [{ name, type: query.type as "A" }] }).subarray(12);
      const rest = dnsPacket.encode({
        type: "response",
        flags: 0x05a0,
        answers: [{ name, type: "A", ttl: 60, data: "192.0.2.1" }],
        additionals: [
          {
            type: "OPT",
            name: ".",
            udpPayloadSize: 4096,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: 0,
            flag_do: false,
            options: [],
          },
        ],
      });
      const message = Buffer.concat([rest.subarray(0, 12), question, rest.subarray(12)]);
      message.writeUInt16BE(1, 4);
      if (!name.startsWith("trailing")) return Promise.resolve(outside(message));
      const withoutOption = message.subarray(0, -11);
      withoutOption.writeUInt16BE(0, 10);
      return Promise.resolve(outside(Buffer.concat([withoutOption, Buffer.from("no record")])));
    },
  },
});

const overUdp = (bytes: Buffer, asker: Asker = "host") => responder.answer(bytes, asker, udpLimitOf);
const raw = async (name: string, type: string, how: Asked = {}, asker: Asker = "host") =>
  (await overUdp(queryBytes(name, type, how), asker))!;
const ask = async (name: string, type: string, how: Asked = {}, asker: Asker = "host") =>
  decode(await raw(name, type, how, asker));

describe("a reply", () => {
  it("repeats id, question, RD and CD; says that it is ours, and that others can be asked", async () => {
    const reply = await ask("aLiCe.mEsH", "A", { id: 4711, flags: 0x0110 });
    expect(reply).toMatchObject({
      id: 4711,
      rcode: "NOERROR",
      flag_qr: true,
      flag_aa: true,
      flag_tc: false,
      flag_rd: true,
      flag_ra: true,
      flag_cd: true,
      questions: [{ name: "aLiCe.mEsH", type: "A" }],
      additionals: [],
    });
    expect(lines(reply.answers)).toEqual(["aLiCe.mEsH A 10.86.0.2"]);
  });

  it("has an EDNS part when the query has, with what we take and the asker's DO", async () => {
    const reply = await ask("alice.mesh", "A", { edns: { dnssecOk: true, payloadBytes: 4096 } });
    expect(reply.additionals).toMatchObject([{ type: "OPT", udpPayloadSize: 1232, ednsVersion: 0, flag_do: true }]);
  });

  it.each([
    ["no EDNS: 512 bytes", {}, 512],
    ["EDNS below 512 counts as 512", { edns: { payloadBytes: 100 } }, 512],
    ["EDNS 800", { edns: { payloadBytes: 800 } }, 800],
    ["EDNS 4096: no more than goes unfragmented", { edns: { payloadBytes: 4096 } }, 1232],
  ])("too long for UDP is cut to whole records, with TC: %s", async (_, how, limit) => {
    const bytes = await raw("many.mesh", "TXT", how);
    expect(bytes.length).toBeLessThanOrEqual(limit);
    // Not one record more would go.
    expect(bytes.length).toBeGreaterThan(limit - 130);
    const reply = decode(bytes);
    expect(reply).toMatchObject({ flag_tc: true, rcode: "NOERROR" });
    expect(reply.answers!.length).toBeGreaterThan(0);
    expect((reply.additionals ?? []).length).toBe("edns" in how ? 1 : 0);
  });

  it("over TCP is whole", async () => {
    const reply = decode((await responder.answer(queryBytes("many.mesh", "TXT"), "host", () => MAX_MESSAGE_BYTES))!);
    expect(reply.flag_tc).toBe(false);
    expect(reply.answers).toHaveLength(40);
  });
});

describe("queries that get no answer of records", () => {
  it.each([
    ["another opcode", "NOTIMP", { flags: 0x2000 }, "alice.mesh", "A"],
    ["a zone transfer", "REFUSED", {}, "mesh", "AXFR"],
    ["a type that is none", "FORMERR", {}, "alice.mesh", "OPT"],
    ["a name of others, by who wants nobody asked", "REFUSED", { flags: 0 }, "example.com", "A"],
    ["a name that nobody can tell about", "SERVFAIL", {}, "dead.example", "A"],
  ])("%s: %s", async (_, rcode, how, name, type) => {
    expect(await ask(name, type, how)).toMatchObject({ rcode, answers: [], flag_aa: false });
  });

  it("EDNS of another version: BADVERS", async () => {
    const reply = await ask("alice.mesh", "A", { edns: { version: 1 } });
    expect(reply).toMatchObject({ rcode: "NOERROR", answers: [], additionals: [{ extendedRcode: 1, ednsVersion: 0 }] });
  });

  it("another class than IN", async () => {
    const bytes = queryBytes("version.bind", "TXT");
    bytes.writeUInt16BE(3, bytes.length - 2);
    expect(decode((await overUdp(bytes))!)).toMatchObject({ rcode: "REFUSED" });
  });

  it("what is no query is not answered, and what is no good one gets FORMERR with its id", async () => {
    const good = queryBytes("alice.mesh", "A");
    const changed = (change: (bytes: Buffer) => void) => {
      const bytes = Buffer.from(good);
      change(bytes);
      return bytes;
    };
    expect(overUdp(changed((bytes) => bytes.writeUInt16BE(0x8000, 2)))).toBeUndefined();
    expect(overUdp(good.subarray(0, 11))).toBeUndefined();
    expect(overUdp(Buffer.alloc(0))).toBeUndefined();
    const malformed = {
      "no question": changed((bytes) => bytes.writeUInt16BE(0, 4)),
      "two questions": changed((bytes) => bytes.writeUInt16BE(2, 4)),
      "cut short": good.subarray(0, 20),
      "a name that points at itself": Buffer.concat([good.subarray(0, 12), Buffer.from([0xc0, 12, 0, 1, 0, 1])]),
      "a label of no known kind": changed((bytes) => bytes.writeUInt8(0x45, 12)),
      "a name longer than 255 bytes": Buffer.concat([
        good.subarray(0, 12),
        ...Array.from({ length: 5 }, () => Buffer.from(`\x3f${"a".repeat(63)}`)),
        Buffer.from([0, 0, 1, 0, 1]),
      ]),
      "bytes after its end": Buffer.concat([good, Buffer.from([1])]),
      "records that would answer it": changed((bytes) => bytes.writeUInt16BE(1, 6)),
      "two EDNS parts": (() => {
        const one = queryBytes("alice.mesh", "A", { edns: {} });
        const two = Buffer.concat([one, one.subarray(good.length)]);
        two.writeUInt16BE(2, 10);
        return two;
      })(),
    };
    for (const [what, bytes] of Object.entries(malformed)) {
      const reply = (await overUdp(bytes))!;
      expect(reply.length, what).toBe(12);
      expect([reply.readUInt16BE(0), reply.readUInt16BE(2) & 0x800f], what).toEqual([0x1234, 0x8001]);
    }
  });

  it("a dot inside a label does not make it two: that name is not the peer's", async () => {
    const name = Buffer.from("\x0aalice.mesh\0");
    const bytes = Buffer.concat([queryBytes("x", "A").subarray(0, 12), name, Buffer.from([0, 1, 0, 1])]);
    asked.length = 0;
    await overUdp(bytes);
    expect(asked).toEqual(["alice\\046mesh"]);
  });
});

describe("names of others", () => {
  it("are passed on as they came, without what is between two machines only", async () => {
    const reply = await ask("WWW.example.com", "A", { edns: { payloadBytes: 600 } });
    expect(reply).toMatchObject({
      flag_aa: false,
      flag_ad: true,
      flag_ra: true,
      questions: [{ name: "WWW.example.com" }],
    });
    expect(lines(reply.answers)).toEqual(["www.example.com A 192.0.2.1"]);
    expect(reply.additionals).toMatchObject([{ type: "OPT", udpPayloadSize: 1232 }]);
    expect((await ask("www.example.com", "A")).additionals).toEqual([]);
  });

  it("without what a server sends after the last record", async () => {
    const reply = await ask("trailing.example.com", "A", { edns: {} });
    expect(lines(reply.answers)).toEqual(["trailing.example.com A 192.0.2.1"]);
    expect(reply.additionals).toMatchObject([{ type: "OPT", udpPayloadSize: 1232 }]);
  });

  it("continue an alias of ours, unless the asker wants nobody asked", async () => {
    expect(lines((await ask("out.mesh", "A")).answers)).toEqual([
      "out.mesh CNAME www.example.com",
      "www.example.com A 192.0.2.1",
    ]);
    expect(lines((await ask("out.mesh", "A", { flags: 0 })).answers)).toEqual(["out.mesh CNAME www.example.com"]);
  });
});

describe("another peer", () => {
  it("learns no name of the mesh from us, and gets others looked up only where we are its exit", async () => {
    asked.length = 0;
    servesPeers = false;
    for (const name of ["alice.mesh", "nobody.mesh", "2.0.86.10.in-addr.arpa", "example.com"]) {
      expect(await ask(name, "A", {}, "peer"), name).toMatchObject({ rcode: "REFUSED", answers: [] });
    }
    expect(asked).toEqual([]);
    servesPeers = true;
    expect(await ask("alice.mesh", "A", {}, "peer")).toMatchObject({ rcode: "REFUSED" });
    expect(lines((await ask("example.com", "A", {}, "peer")).answers)).toEqual(["example.com A 192.0.2.1"]);
  });
});

describe("hostile bytes", () => {
  it("of a server: whatever has the form of a message is passed on in one, within the bounds", () => {
    const asked = query("www.example.com", "A", { edns: {} });
    const soa = {
      mname: "ns.example.com",
      rname: "root.example.com",
      serial: 1,
      refresh: 1,
      retry: 1,
      expire: 1,
      minimum: 1,
    };
    const good = dnsPacket.encode({
      type: "response",
      questions: [{ name: "www.example.com", type: "A" }],
      answers: [{ type: "TXT", name: "www.example.com", ttl: 60, data: "x".repeat(200) }],
      authorities: [{ type: "SOA", name: "example.com", ttl: 60, data: soa }],
      additionals: [{ type: "A", name: "ns.example.com", ttl: 60, data: "192.0.2.1" }],
    });
    const changes = fc.array(fc.tuple(fc.nat(good.length - 1), fc.constantFrom(0, 1, 41, 0xc0, 0xff)), {
      maxLength: 5,
    });
    fc.assert(
      fc.property(changes, fc.nat(600), (changed, limit) => {
        const bytes = Buffer.from(good);
        // The header's counts and the records: the question is repeated, or it is no answer.
        for (const [at, value] of changed) if (at < 12 || at >= 12 + asked.question.length) bytes[at] = value;
        if (readLayout(bytes) === undefined) return;
        const reply = finish(asked, passOn(asked, bytes, 5), 100 + limit);
        expect(reply.length).toBeLessThanOrEqual(100 + limit);
        expect(readLayout(reply)?.records.filter(({ type }) => type === 41).length).toBe(1);
      }),
      { numRuns: 3000 },
    );
  });

  const mutated = fc
    .tuple(
      fc.constantFrom("alice.mesh", "many.mesh", "out.mesh", "example.com", "2.0.86.10.in-addr.arpa"),
      fc.constantFrom("A", "TXT", "ANY", "PTR"),
      fc.boolean(),
      fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 6 }),
      fc.nat(60),
    )
    .map(([name, type, edns, changes, cut]) => {
      const bytes = queryBytes(name, type, edns ? { edns: {} } : {});
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      return bytes.subarray(0, Math.max(0, bytes.length - (cut > 40 ? cut - 40 : 0)));
    });

  it("get silence or a message that fits: never an exception, never an answer to an answer", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          mutated,
          fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
        ),
        async (bytes) => {
          const reply = await overUdp(bytes);
          if (bytes.length < 12 || (bytes[2]! & 0x80) !== 0) {
            expect(reply).toBeUndefined();
            return;
          }
          expect(reply!.subarray(0, 2)).toEqual(bytes.subarray(0, 2));
          expect(reply![2]! & 0x80).toBe(0x80);
          expect(reply!.length).toBeLessThanOrEqual(1232);
        },
      ),
      { numRuns: 3000 },
    );
  });
});
