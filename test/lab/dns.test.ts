import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DnsAnswer, DnsStatus } from "../../src/api/local-dns.ts";
import { coordinatorSocketPath, resolveHome } from "../../src/daemon/networks/home.ts";
import { AdminSocketClient } from "../support/coordinator-client.ts";
import { dig } from "../support/lab/dig.ts";
import { eventually } from "../support/lab/eventually.ts";
import { meshJson, runMesh } from "../support/lab/mesh-command.ts";
import { MeshPeer } from "../support/lab/mesh-peer.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";

let network: SmallNetwork;
let alice: MeshPeer;
let bob: MeshPeer;
/** In a CIDR of her own: she and the others do not see each other. */
let carol: MeshPeer;
let aliceIp = "";
let aliceIp6 = "";

const admin = async (...args: string[]) => {
  const { status, stderr, stdout } = await runMesh(network.serverHost, network.server.home, ...args);
  if (status !== 0) throw new Error(`mesh ${args.join(" ")}: ${stderr}`);
  return stdout;
};
/** Without a process for each: there are many. */
const add = async (text: string) => {
  const [name, type, ...data] = text.split(" ");
  const socket = new AdminSocketClient(coordinatorSocketPath(resolveHome(network.server.home)));
  const record = { name, type, data: data.join(" "), ttlSeconds: 60 };
  expect((await socket.call("POST", "/v1/admin/dns/records", { record })).status).toBe(200);
};
const refused = async (...args: string[]) => {
  const { status, stderr } = await runMesh(network.serverHost, network.server.home, ...args, "--json");
  return [status, (JSON.parse(stderr) as { error: { code: string } }).error.code];
};
const dnsOf = async (peer: MeshPeer) => (await meshJson(peer.host, peer.home, "dns", "status")) as DnsStatus;
const answers = async (name: string, type = "A", ...how: string[]) =>
  (await dig(alice.host, aliceIp, name, type, ...how)).answers;
const told = (name: string, type: string, ...expected: string[]) =>
  eventually(`${name} ${type} is told`, async () => {
    const found = await answers(name, type);
    return JSON.stringify(found) === JSON.stringify(expected) ? true : undefined;
  });

beforeAll(async () => {
  network = await SmallNetwork.open("alice", "bob", "carol");
  await admin("cidr", "add", "far", "10.86.200.0/24");
  const far = await network.server.createToken({ cidr: "far" });
  [alice, bob, carol] = await Promise.all([
    network.join("alice"),
    network.join("bob"),
    network.join("carol", { token: far.token }),
  ]);
  const { self } = await alice.status();
  aliceIp = self?.ip4 ?? "";
  aliceIp6 = self?.ip6 ?? "";
  await alice.reaches("bob");
  // A name server of others, with a name of its own for each of two suffixes.
  await network.serverHost.start("dnsmasq", [
    "--keep-in-foreground",
    "--no-hosts",
    "--no-resolv",
    "--listen-address=192.0.2.1",
    "--bind-interfaces",
    "--address=/www.example.com/203.0.113.80",
    "--address=/www.corp.example/203.0.113.81",
    "--txt-record=long.example.com,one,two,three",
    "--local=/example.com/",
    "--log-facility=-",
  ]);
  for (const text of [
    "web A 192.0.2.80",
    "web A 192.0.2.81",
    "web AAAA 2001:db8::80",
    "www CNAME web.mesh",
    "git CNAME bob.mesh",
    "out CNAME www.example.com",
    "_pg._tcp SRV 0 5 5432 bob.mesh",
    "note TXT two words",
    "secret CNAME carol.mesh",
  ]) {
    await add(text);
  }
  for (let i = 0; i < 20; i++) await add(`many TXT ${`${i}-`.padEnd(140, "x")}`);
  await admin("dns", "servers", "set", "192.0.2.1");
  await told("note.mesh", "TXT", 'note.mesh. TXT "two words"');
});
afterAll(() => network?.[Symbol.asyncDispose]());

describe.each(["+notcp", "+tcp"])("dig %s", (way) => {
  const ask = (name: string, type: string) => answers(name, type, way);

  it("tells every kind of record, in either family of addresses, and over loopback", async () => {
    const bobs = (await alice.peer("bob"))!;
    expect(await ask("bob.mesh", "A")).toEqual([`bob.mesh. A ${bobs.ip4}`]);
    expect(await ask("bob.members.mesh", "AAAA")).toEqual([`bob.members.mesh. AAAA ${bobs.ip6}`]);
    expect((await ask("web.mesh", "A")).toSorted()).toEqual(["web.mesh. A 192.0.2.80", "web.mesh. A 192.0.2.81"]);
    expect(await ask("web.mesh", "AAAA")).toEqual(["web.mesh. AAAA 2001:db8::80"]);
    expect(await ask("www.mesh", "AAAA")).toEqual(["www.mesh. CNAME web.mesh.", "web.mesh. AAAA 2001:db8::80"]);
    expect(await ask("git.mesh", "A")).toEqual(["git.mesh. CNAME bob.mesh.", `bob.mesh. A ${bobs.ip4}`]);
    expect(await ask("_pg._tcp.mesh", "SRV")).toEqual(["_pg._tcp.mesh. SRV 0 5 5432 bob.mesh."]);
    expect(await ask("note.mesh", "TXT")).toEqual(['note.mesh. TXT "two words"']);
    expect(await ask("out.mesh", "A")).toEqual(["out.mesh. CNAME www.example.com.", "www.example.com. A 203.0.113.80"]);
    const loopback = (await dnsOf(alice)).listeners.find(({ address }) => address.startsWith("127."))!.address;
    for (const server of [aliceIp6, loopback]) {
      expect((await dig(alice.host, server, "-x", bobs.ip4, way)).answers[0]).toMatch(/ PTR bob\.mesh\.$/);
      expect((await dig(alice.host, server, "-x", bobs.ip6, way)).answers[0]).toMatch(/ PTR bob\.mesh\.$/);
    }
  });

  it("tells NODATA and NXDOMAIN apart, with the SOA that says for how long", async () => {
    for (const [name, type, status] of [
      ["note.mesh", "AAAA", "NOERROR"],
      ["bob.mesh", "MX", "NOERROR"],
      ["_tcp.mesh", "A", "NOERROR"],
      ["bob.mesh", "TYPE65280", "NOERROR"],
      ["bob.mesh", "HTTPS", "NOERROR"],
      ["nobody.mesh", "A", "NXDOMAIN"],
      ["9.9.86.10.in-addr.arpa", "PTR", "NXDOMAIN"],
    ] as const) {
      const reply = await dig(alice.host, aliceIp, name, type, way);
      expect([name, reply.status, reply.answers.length]).toEqual([name, status, 0]);
      expect(reply.authorities[0]).toMatch(/ SOA alice\.mesh\. hostmaster\.mesh\. \d+ 3600 600 86400 1$/);
      expect(reply.flags).toContain("aa");
    }
  });
});

it("the case of a question comes back (0x20), ANY gets little, other versions of EDNS are refused", async () => {
  const reply = await dig(alice.host, aliceIp, "BoB.mEsH", "A");
  expect(reply.text).toMatch(/^;BoB\.mEsH\.\s+IN\s+A$/m);
  expect(reply.answers[0]).toMatch(/^BoB\.mEsH\. A /);
  expect(await answers("web.mesh", "ANY", "+notcp")).toEqual(['web.mesh. HINFO "RFC8482" ""']);
  expect((await dig(alice.host, aliceIp, "bob.mesh", "A", "+edns=1", "+noednsneg")).status).toBe("BADVERS");
});

it("what is too long for UDP is cut, and whole over TCP", async () => {
  const cut = await dig(alice.host, aliceIp, "many.mesh", "TXT", "+ignore", "+bufsize=700");
  expect(cut.flags).toContain("tc");
  expect(cut.answers.length).toBeGreaterThan(3);
  expect(cut.answers.length).toBeLessThan(7);
  expect((await dig(alice.host, aliceIp, "many.mesh", "TXT", "+ignore", "+noedns")).flags).toContain("tc");
  // dig, like any resolver, asks again over TCP by itself.
  expect(await answers("many.mesh", "TXT")).toHaveLength(20);
});

it("broken queries change nothing for the next ones", async () => {
  const script = `
    const socket = require("node:dgram").createSocket("udp4");
    const broken = ["", "00", "123401000001000000000000", "12340100000100000000000003", "1234010000010000000000003f61", "123481800001000000000000",
      "12340100ffffffffffffffff", "1234010000010000000000000c0c00010001", "ff".repeat(600)];
    for (const hex of broken) socket.send(Buffer.from(hex, "hex"), 53, "${aliceIp}");
    let replies = 0;
    socket.on("message", (reply) => { replies++; if ((reply[3] & 15) !== 1) throw new Error(reply.toString("hex")); });
    setTimeout(() => { console.log(replies); socket.close(); }, 300);`;
  expect(Number(await alice.host.must(process.execPath, "-e", script))).toBeGreaterThan(2);
  expect(await answers("note.mesh", "TXT")).toHaveLength(1);
});

describe("who may know a name", () => {
  it("who does not see a peer gets NXDOMAIN for it, and for what leads to it", async () => {
    const carolIp = (await carol.status()).self?.ip4 ?? "";
    const of = async (peer: MeshPeer, server: string, name: string) => (await dig(peer.host, server, name, "A")).status;
    expect(await of(carol, carolIp, "carol.mesh")).toBe("NOERROR");
    expect(await of(carol, carolIp, "secret.mesh")).toBe("NOERROR");
    expect(await of(carol, carolIp, "web.mesh")).toBe("NOERROR");
    for (const name of ["alice.mesh", "bob.members.mesh", "git.mesh", "_pg._tcp.mesh", "members.mesh"]) {
      expect([name, await of(carol, carolIp, name)]).toEqual([name, "NXDOMAIN"]);
    }
    expect(await of(alice, aliceIp, "carol.mesh")).toBe("NXDOMAIN");
    expect(await of(alice, aliceIp, "secret.mesh")).toBe("NXDOMAIN");
    expect((await dig(carol.host, carolIp, "-x", aliceIp)).status).toBe("NXDOMAIN");
  });

  it("another peer learns nothing from our name server", async () => {
    for (const name of ["alice.mesh", "bob.mesh", "www.example.com"]) {
      const reply = await dig(bob.host, aliceIp, name, "A");
      expect([name, reply.status, reply.answers.length]).toEqual([name, "REFUSED", 0]);
    }
  });

  it("but for names of others, where we are its exit, whatever our filter denies beside", async () => {
    await alice.mesh("filter", "default", "deny");
    await alice.mesh("exit", "offer", "on");
    await eventually("bob is answered", async () => {
      const { answers } = await dig(bob.host, aliceIp, "www.example.com", "A");
      return answers[0] === "www.example.com. A 203.0.113.80" ? true : undefined;
    });
    expect((await dig(bob.host, aliceIp, "bob.mesh", "A")).status).toBe("REFUSED");
    await alice.mesh("exit", "offer", "off");
    await alice.mesh("filter", "default", "--unset");
  });

  it("a host asks its own name server whatever its filter denies", async () => {
    await alice.mesh("filter", "default", "deny");
    await alice.mesh("filter", "default", "deny", "--direction", "out");
    expect(await answers("note.mesh", "TXT")).toHaveLength(1);
    await alice.mesh("filter", "default", "--unset");
    await alice.mesh("filter", "default", "--direction", "out", "--unset");
  });
});

it("names of others: servers by suffix, side by side; `mesh dns query` and `status` say who and why", async () => {
  await admin("dns", "servers", "set", "192.0.2.1", "--for", "corp.example");
  await admin("dns", "servers", "set", aliceIp, "192.0.2.1", "--for", "lab.corp.example");
  await eventually("the routes", async () => ((await dnsOf(alice)).routes.length === 3 ? true : undefined));
  expect(await answers("www.corp.example")).toEqual(["www.corp.example. A 203.0.113.81"]);
  expect((await dig(alice.host, aliceIp, "nobody.example.com", "A")).status).toBe("NXDOMAIN");
  const query = async (...args: string[]) =>
    (await meshJson(alice.host, alice.home, "dns", "query", ...args)) as DnsAnswer[];
  expect(await query("long.example.com", "TXT")).toMatchObject([
    { rcode: "NOERROR", by: "server", server: "192.0.2.1", answers: [{ data: '"one" "two" "three"' }] },
  ]);
  expect(await query("bob")).toMatchObject([{ by: "mesh" }, { by: "mesh", type: "AAAA" }]);
  expect((await dnsOf(alice)).routes).toMatchObject([
    { suffix: "corp.example", servers: ["192.0.2.1"], reason: "the network's for this suffix", skipped: [] },
    { suffix: "lab.corp.example", servers: ["192.0.2.1"], reason: "the network's for this suffix", skipped: [aliceIp] },
    { suffix: null, servers: ["192.0.2.1"], reason: "the network's", skipped: [] },
  ]);
  expect(await alice.mesh("dns", "status")).toContain("answers at");
});

describe("changes", () => {
  it("a peer sets records below its own name, and no others", async () => {
    await alice.mesh("dns", "add", "wiki.alice", "CNAME", "alice.mesh");
    await told("wiki.alice.mesh", "A", "wiki.alice.mesh. CNAME alice.mesh.", `alice.mesh. A ${aliceIp}`);
    const { status, stderr } = await runMesh(alice.host, alice.home, "dns", "add", "wiki", "A", "192.0.2.1");
    expect([status, stderr]).toEqual([4, expect.stringContaining("not below the name of alice")]);
  });

  it("what cannot be is refused with its code, and changes nothing", async () => {
    const before = await admin("dns", "records", "--json");
    expect(await refused("dns", "add", "bob", "A", "192.0.2.1")).toEqual([6, "dns-conflict"]);
    expect(await refused("dns", "add", "x", "A", "300.1.1.1")).toEqual([2, "bad-dns-record"]);
    expect(await refused("dns", "add", "x", "CNAME", "nobody.mesh")).toEqual([5, "not-found"]);
    expect(await refused("dns", "servers", "set", "127.0.0.1")).toEqual([2, "bad-dns-server"]);
    expect(await refused("dns", "remove", "nothing")).toEqual([5, "not-found"]);
    expect(await admin("dns", "records", "--json")).toBe(before);
  });

  it("renaming a peer shows within a second, at its aliases too", async () => {
    const { ip4 } = (await alice.peer("bob"))!;
    await admin("peer", "rename", "bob", "robert");
    const doneAt = Date.now();
    await eventually(
      "the new name",
      async () => {
        const [alias, address] = await answers("git.mesh");
        return alias === "git.mesh. CNAME robert.mesh." && address === `robert.mesh. A ${ip4}` ? true : undefined;
      },
      { timeoutMs: 5000, intervalMs: 20 },
    );
    expect(Date.now() - doneAt).toBeLessThan(1000);
    expect((await dig(alice.host, aliceIp, "bob.mesh", "A")).status).toBe("NXDOMAIN");
  });

  it("--no-dns: nobody answers, and the status says how to change that", async () => {
    const { address } = (await dnsOf(carol)).listeners.find((one) => one.address.startsWith("127."))!;
    await carol.stop();
    const again = await MeshPeer.up(carol, ["--no-dns"]);
    expect(await dnsOf(again)).toMatchObject({ enabled: false, listeners: [] });
    expect((await carol.host.run("dig", `@${address}`, "+tries=1", "+time=1", "carol.mesh")).status).not.toBe(0);
    expect(await again.mesh("dns", "status")).toContain("--dns");
  });
});
