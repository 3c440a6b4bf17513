import dnsPacket from "dns-packet";
import { afterEach, describe, expect, it } from "vitest";
import { DisposeStack } from "../../../src/base/dispose.ts";
import { AnswerCache } from "../../../src/dns/forward/cache.ts";
import { Forwarder } from "../../../src/dns/forward/forwarder.ts";
import { serverText } from "../../../src/dns/forward/routes.ts";
import { passOn } from "../../../src/dns/message/reply.ts";
import { plainSocket } from "../../../src/host/tcp.ts";
import { plainUdp } from "../../../src/host/udp.ts";
import { addressOf, type Behaviour, DnsUpstream, replyTo } from "../../support/dns/dns-upstream.ts";
import { decode, lines, query } from "../../support/dns/messages.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const sockets = { openUdp: plainUdp, dial: plainSocket };
let resources = new DisposeStack();
afterEach(async () => {
  await resources.close();
  resources = new DisposeStack();
});

const upstream = async (behaviour: Behaviour) => resources.use(await DnsUpstream.open(behaviour));
function forwarder(routes: Record<string, readonly DnsUpstream[]>, clock = new ManualClock()) {
  const made = resources.use(new Forwarder({ clock, serverTimeoutMs: 400, totalTimeoutMs: 2000 }));
  made.use(
    Object.entries(routes).map(([suffix, servers]) => ({
      suffix,
      servers: servers.map(({ server }) => server),
      sockets,
    })),
  );
  return made;
}
async function told(from: Forwarder, name: string, type = "A"): Promise<string[]> {
  const { answer, ageSeconds } = await from.resolve(query(name, type), "host");
  return answer === undefined ? ["nobody"] : lines(decode(passOn(query(name, type), answer, ageSeconds)).answers);
}
const silent: Behaviour = () => undefined;

describe("where a name is asked for", () => {
  it("the longest suffix decides, whatever the order; several stand side by side", async () => {
    const [rest, corp, lab] = await Promise.all(
      ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map((data) => upstream((asked) => addressOf(asked, data))),
    );
    const from = forwarder({ "corp.example": [corp!], "": [rest!], "lab.corp.example": [lab!], "x.test": [lab!] });
    expect(await told(from, "www.example.com")).toEqual(["www.example.com A 192.0.2.1"]);
    expect(await told(from, "a.corp.example")).toEqual(["a.corp.example A 192.0.2.2"]);
    expect(await told(from, "CORP.example")).toEqual(["CORP.example A 192.0.2.2"]);
    expect(await told(from, "b.lab.corp.example")).toEqual(["b.lab.corp.example A 192.0.2.3"]);
    expect(await told(from, "notcorp.example")).toEqual(["notcorp.example A 192.0.2.1"]);
    expect(await told(from, "a.x.test")).toEqual(["a.x.test A 192.0.2.3"]);
  });

  it("without a route for it nobody is asked", async () => {
    const corp = await upstream((asked) => addressOf(asked, "192.0.2.2"));
    const from = forwarder({ "corp.example": [corp] });
    expect(await told(from, "example.com")).toEqual(["nobody"]);
    expect(corp.asked).toEqual([]);
  });
});

describe("fail-over", () => {
  it("a silent server is passed over, and comes last for a while", async () => {
    const [dead, alive] = [await upstream(silent), await upstream((asked) => addressOf(asked, "192.0.2.1"))];
    const clock = new ManualClock();
    const from = forwarder({ "": [dead, alive] }, clock);
    expect(await told(from, "a.example")).toEqual(["a.example A 192.0.2.1"]);
    expect(await told(from, "b.example")).toEqual(["b.example A 192.0.2.1"]);
    expect(dead.asked.map(({ name }) => name)).toEqual(["a.example"]);
    const names = [dead, alive].map(({ server }) => serverText(server));
    expect(from.unanswered(names)).toEqual([{ server: names[0], problem: "no answer in time" }]);
    clock.advance(31_000);
    expect(await told(from, "c.example")).toEqual(["c.example A 192.0.2.1"]);
    expect(dead.asked.map(({ name }) => name)).toEqual(["a.example", "c.example"]);
    dead.behaviour = (asked) => addressOf(asked, "192.0.2.2");
    clock.advance(31_000);
    expect(await told(from, "d.example")).toEqual(["d.example A 192.0.2.2"]);
    expect(from.unanswered(names)).toEqual([]);
  });

  it("a port that nobody listens on costs no time, and a refusal is not the last word", async () => {
    const gone = await DnsUpstream.open(silent);
    const { server } = gone;
    await gone[Symbol.asyncDispose]();
    const refusing = await upstream((asked) => replyTo(asked, { rcode: 5 }));
    const alive = await upstream((asked) => addressOf(asked, "192.0.2.1"));
    const from = resources.use(new Forwarder({ clock: new ManualClock() }));
    from.use([{ suffix: "", servers: [server, refusing.server, alive.server], sockets }]);
    const startedAt = Date.now();
    expect(await told(from, "a.example")).toEqual(["a.example A 192.0.2.1"]);
    expect(Date.now() - startedAt).toBeLessThan(1000);
  });

  it("where all refuse, their word is passed on; where all are silent, it says so of each", async () => {
    const refusing = await upstream((asked) => replyTo(asked, { rcode: 2 }));
    const dead = await upstream(silent);
    const from = forwarder({ "": [refusing], "dead.example": [dead] });
    const refused = await from.resolve(query("a.example", "A"), "host");
    expect(refused.answer!.readUInt16BE(2) & 0xf).toBe(2);
    expect(refusing.asked).toHaveLength(1);
    const nobody = await from.resolve(query("dead.example", "A"), "host");
    expect(nobody.answer).toBeUndefined();
    expect(nobody.failures[0]).toMatch(/^127\.0\.0\.1#\d+: no answer in time$/);
    // Over UDP a question may be lost: it is asked again.
    expect(dead.asked).toHaveLength(2);
  });

  it("an answer that was cut short is fetched over TCP", async () => {
    const strings = Array.from({ length: 20 }, (_, i) => `${i}`.padEnd(200, "x"));
    const long = await upstream((asked, way) =>
      way === "udp"
        ? replyTo(asked, { flags: 0x0200 })
        : replyTo(asked, { answers: strings.map((data) => ({ type: "TXT", name: "long.example", ttl: 5, data })) }),
    );
    expect(await told(forwarder({ "": [long] }), "long.example", "TXT")).toHaveLength(20);
    expect(long.asked.map(({ way }) => way)).toEqual(["udp", "tcp"]);
  });

  it("a server that does not know EDNS is asked without", async () => {
    const old = await upstream((asked) =>
      (asked.additionals ?? []).length > 0 ? replyTo(asked, { rcode: 1 }) : addressOf(asked, "192.0.2.1"),
    );
    expect(await told(forwarder({ "": [old] }), "a.example")).toEqual(["a.example A 192.0.2.1"]);
  });
});

describe("whom it believes", () => {
  it("not who repeats another question or id, nor a query", async () => {
    const liars: Behaviour[] = [
      (asked) => addressOf({ ...asked, id: (asked.id ?? 0) ^ 1 } as never, "198.51.100.66"),
      (asked) => ({ ...addressOf(asked, "198.51.100.66"), questions: [{ name: "b.example", type: "A" }] }),
      (asked) => ({ ...addressOf(asked, "198.51.100.66"), questions: [] }),
      (asked) => ({ ...addressOf(asked, "198.51.100.66"), type: "query" }),
      () => Buffer.from("not a message at all"),
    ];
    const believed = liars.map(async (lie) => told(forwarder({ "": [await upstream(lie)] }), "a.example"));
    for (const answers of await Promise.all(believed)) expect(answers).toEqual(["nobody"]);
  });

  it("asks from other ports with other ids each time", async () => {
    const server = await upstream((asked) => addressOf(asked, "192.0.2.1", 0));
    const from = forwarder({ "": [server] });
    for (let i = 0; i < 8; i++) await told(from, "a.example");
    expect(new Set(server.asked.map(({ query: { id } }) => id)).size).toBeGreaterThan(5);
  });

  it("a loop through somebody else is under way once, and ends", async () => {
    const from = resources.use(new Forwarder({ clock: new ManualClock(), serverTimeoutMs: 100, totalTimeoutMs: 300 }));
    let back = 0;
    const mirror = await upstream((asked) => {
      back++;
      void from.resolve(query(asked.questions?.[0]?.name ?? "", "A"), "host");
      return undefined;
    });
    from.use([{ suffix: "", servers: [mirror.server], sockets }]);
    expect(await told(from, "loop.example")).toEqual(["nobody"]);
    expect(back).toBeLessThanOrEqual(2);
  });
});

describe("the cache", () => {
  it("answers for as long as the TTL says, which counts down, in the asker's own case", async () => {
    const server = await upstream((asked) => addressOf(asked, "192.0.2.1", 10));
    const clock = new ManualClock();
    const from = forwarder({ "": [server] }, clock);
    await told(from, "a.example");
    clock.advance(4_000);
    const asked = query("A.eXample", "A");
    const hit = await from.resolve(asked, "host");
    expect(hit).toMatchObject({ isCached: true, ageSeconds: 4 });
    const reply = decode(passOn(asked, hit.answer!, hit.ageSeconds));
    expect(reply).toMatchObject({ id: asked.id, questions: [{ name: "A.eXample" }], answers: [{ ttl: 6 }] });
    clock.advance(6_000);
    expect((await from.resolve(query("a.example", "A"), "host")).isCached).toBe(false);
    expect(server.asked).toHaveLength(2);
  });

  it("keeps that there is nothing for as long as the SOA allows, and not at all without one", async () => {
    const soa = { mname: "ns.example", rname: "root.example", serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 7 };
    const server = await upstream((asked) =>
      replyTo(asked, {
        rcode: 3,
        authorities:
          asked.questions?.[0]?.name === "a.example" ? [{ type: "SOA", name: "example", ttl: 300, data: soa }] : [],
      }),
    );
    const clock = new ManualClock();
    const from = forwarder({ "": [server] }, clock);
    const isCached = async (name: string) => (await from.resolve(query(name, "A"), "host")).isCached;
    expect([await isCached("a.example"), await isCached("b.example")]).toEqual([false, false]);
    clock.advance(6_900);
    expect([await isCached("a.example"), await isCached("b.example")]).toEqual([true, false]);
    clock.advance(100);
    expect(await isCached("a.example")).toBe(false);
  });

  it("keeps no failure, nothing cut short, nothing for no time; and types, DO and CD apart", async () => {
    const server = await upstream((asked) => {
      const name = asked.questions?.[0]?.name ?? "";
      if (name === "failed.example") return replyTo(asked, { rcode: 2 });
      return addressOf(asked, "192.0.2.1", name === "now.example" ? 0 : 0x8000_0001);
    });
    const from = forwarder({ "": [server] });
    for (const name of ["failed.example", "now.example", "signless.example"]) {
      await from.resolve(query(name, "A"), "host");
      expect((await from.resolve(query(name, "A"), "host")).isCached, name).toBe(false);
    }
    server.behaviour = (asked) => addressOf(asked, "192.0.2.1");
    await from.resolve(query("a.example", "A"), "host");
    expect((await from.resolve(query("a.example", "A"), "host")).isCached).toBe(true);
    expect((await from.resolve(query("a.example", "A", { edns: { dnssecOk: true } }), "host")).isCached).toBe(false);
    expect((await from.resolve(query("a.example", "A", { flags: 0x0110 }), "host")).isCached).toBe(false);
    expect((await from.resolve(query("a.example", "AAAA"), "host")).isCached).toBe(false);
  });

  it("is bounded", () => {
    const cache = new AnswerCache(new ManualClock());
    for (let i = 0; i < 4200; i++) {
      const name = `n${i}.example`;
      const answer = dnsPacket.encode({
        type: "response",
        questions: [{ name, type: "A" }],
        answers: [{ type: "A", name, ttl: 60, data: "192.0.2.1" }],
      });
      cache.keep(query(name, "A"), answer, "192.0.2.53");
    }
    expect(cache.size).toBe(4096);
    expect(cache.find(query("n0.example", "A"))).toBeUndefined();
    expect(cache.find(query("n4199.example", "A"))).toMatchObject({ server: "192.0.2.53" });
  });

  it("is forgotten when others are asked", async () => {
    const server = await upstream((asked) => addressOf(asked, "192.0.2.1"));
    const from = forwarder({ "": [server] });
    await from.resolve(query("a.example", "A"), "host");
    expect(from.cached).toBe(1);
    from.use([]);
    expect(from.cached).toBe(0);
  });
});
