import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { z } from "zod";
import { eventually } from "../support/lab/eventually.ts";
import { Lab } from "../support/lab/lab.ts";
import type { LabHost } from "../support/lab/lab-host.ts";
import { meshJson } from "../support/lab/mesh-command.ts";
import { MeshPeer } from "../support/lab/mesh-peer.ts";
import { MeshServer } from "../support/lab/mesh-server.ts";
import { startTinyproxy } from "../support/lab/tinyproxy.ts";
import { dropWall, raiseWall, UDP_ALL } from "../support/lab/udp-wall.ts";
import { dropPcpAndNatPmp, makeHomeRouter, startMiniupnpd } from "../support/port-mapping-lab/gateway.ts";

// Every packet that daemons send to the underlay carries the mark. The kernel keeps the list of those that do not.
//
//   alice 10.0.0.2 ── 10.0.0.1 router 5.5.5.1 ── coordinator 5.5.5.8, bob 5.5.5.9 (who has an HTTP proxy, 5.5.5.10)
//
// The router maps ports and has the name server that knows where the coordinator is.

const resolveNames = fileURLToPath(new URL("../support/resolve-names.mjs", import.meta.url));

const MARK = "0x2086";
const NAME = "coordinator.example";
const SERVER_URL = `https://${NAME}:8443`;
/** In which a tunnel's default route would be. */
const TABLE = "100";

/** More than one datagram of DNS has room for. */
const MANY = Array.from({ length: 200 }, (_, i) => `198.51.100.${i + 1}`);

const netcheckSchema = z.object({
  portMapping: z.array(z.string()),
  coordinator: z.object({ reached: z.boolean() }),
});

let lab: Lab;
let alice: MeshPeer;
let bob: MeshPeer;
let bobAddress: string;
let files = 0;

/** Counts by protocol and destination port what leaves by eth0, marked and not. What the kernel itself says is left out. */
async function watchMarks(host: LabHost): Promise<void> {
  const set = "type inet_proto . inet_service; flags dynamic; size 65535;";
  const leaves = 'oifname "eth0" meta l4proto { tcp, udp }';
  await host.must(
    "nft",
    `table inet marks {
      set marked { ${set} }
      set unmarked { ${set} }
      chain out {
        type filter hook output priority filter;
        ${leaves} meta mark ${MARK} add @marked { meta l4proto . th dport }
        ${leaves} meta mark != ${MARK} add @unmarked { meta l4proto . th dport }
      }
    }`,
  );
}

const setSchema = z.object({
  nftables: z.array(
    z.object({
      set: z.object({ elem: z.array(z.object({ concat: z.tuple([z.string(), z.number()]) })).default([]) }).optional(),
    }),
  ),
});

/** `udp 51820` and so on. */
async function seen(host: LabHost, set: "marked" | "unmarked"): Promise<string[]> {
  const { nftables } = setSchema.parse(JSON.parse(await host.must("nft", "-j", "list", "set", "inet", "marks", set)));
  return nftables.flatMap((entry) => entry.set?.elem.map(({ concat }) => concat.join(" ")) ?? []);
}

/** Resolves names by these lines of resolv.conf(5). */
function resolvingBy(host: LabHost, ...lines: readonly string[]): string[] {
  const file = `${host.scratchDirectory}/resolv-${++files}.conf`;
  writeFileSync(file, lines.map((line) => `${line}\n`).join(""));
  return ["unshare", "--mount", "sh", "-c", `mount --bind ${file} /etc/resolv.conf && exec "$@"`, "sh"];
}

beforeAll(async () => {
  lab = await Lab.open();
  const [inside, router, serverHost, bobHost, proxyHost] = [
    await lab.host("alice"),
    await lab.host("router"),
    await lab.host("server"),
    await lab.host("bob"),
    await lab.host("proxy"),
  ];
  await lab.connect(
    { host: inside, device: "eth0", addresses: ["10.0.0.2/24"] },
    { host: router, device: "in0", addresses: ["10.0.0.1/24"] },
  );
  await inside.ip("route", "add", "default", "via", "10.0.0.1");
  const internet = await lab.segment("internet");
  await internet.attach(router, "out0", ["5.5.5.1/24"]);
  await internet.attach(serverHost, "eth0", ["5.5.5.8/24"]);
  await internet.attach(bobHost, "eth0", ["5.5.5.9/24"]);
  await internet.attach(proxyHost, "eth0", ["5.5.5.10/24"]);
  await makeHomeRouter(router);
  await router.must("nft", "insert rule inet filter input udp dport 53 accept");
  // Asked by all three protocols, it answers UPnP alone, which goes over TCP too.
  await dropPcpAndNatPmp(router);
  await startMiniupnpd(router);
  const proxyNames = resolvingBy(proxyHost, "nameserver 5.5.5.1");
  const proxy = await startTinyproxy(proxyHost, "5.5.5.10", { ports: [8443], wrapper: proxyNames });
  const records = [`--address=/${NAME}/5.5.5.8`, "--address=/proxy.example/5.5.5.10", "--local=/example/"];
  const hosts = `${router.scratchDirectory}/hosts`;
  writeFileSync(hosts, MANY.map((address) => `${address} many.example\n`).join(""));
  const names = await router.start("dnsmasq", [
    "--keep-in-foreground",
    "--no-resolv",
    "--no-hosts",
    // Else it could not read what is for root alone.
    "--user=root",
    `--addn-hosts=${hosts}`,
    ...records,
  ]);
  await eventually("the name server answers", async () => {
    if (!names.isRunning) throw new Error(names.tail());
    return (await router.must("ss", "-Hlun", "sport = :53")) !== "";
  });
  for (const host of [inside, bobHost]) await watchMarks(host);

  const server = await MeshServer.start(serverHost, { publicUrl: SERVER_URL });
  bob = await MeshPeer.join(bobHost, {
    server: server.url,
    ...(await server.createToken()),
    wrapper: [
      ...resolvingBy(bobHost, "nameserver 5.5.5.1"),
      "env",
      `HTTPS_PROXY=${proxy.url.replace("5.5.5.10", "proxy.example")}`,
    ],
  });
  alice = await MeshPeer.join(inside, {
    server: server.url,
    ...(await server.createToken()),
    wrapper: resolvingBy(inside, "nameserver 10.0.0.1"),
  });
  bobAddress = (await bob.status()).self!.ip4;
});
afterAll(() => lab[Symbol.asyncDispose]());

async function uses(transport: string): Promise<void> {
  await eventually(
    `alice reaches bob by ${transport}`,
    async () => {
      await alice.host.pings(bobAddress);
      return (await alice.peer("bob"))?.path?.transport === transport;
    },
    { timeoutMs: 30_000 },
  );
}

it("marks everything: names, the coordinator, proxies, relays, STUN, port mapping, WireGuard and SSH either way", async () => {
  await uses("udp");
  await raiseWall(alice.host, UDP_ALL);
  await uses("ssh");
  await dropWall(alice.host);
  await uses("udp");
  await eventually(
    "the router has mapped a port by UPnP",
    async () => {
      const { portMapping } = netcheckSchema.parse(await meshJson(alice.host, alice.home, "netcheck"));
      return portMapping.includes("upnp");
    },
    { timeoutMs: 30_000 },
  );

  const [byAlice, byBob] = [await seen(alice.host, "marked"), await seen(bob.host, "marked")];
  expect(byAlice).toEqual(
    expect.arrayContaining(["udp 53", "tcp 8443", "udp 3478", "udp 5351", "udp 1900", "udp 51820", "tcp 2222"]),
  );
  expect(byBob).toEqual(expect.arrayContaining(["udp 53", "tcp 3128", "udp 3478"]));
  expect(byBob).not.toContain("tcp 8443");
  // Answers of bob's SSH server go to the ports that alice's connections come from.
  expect(byBob.filter((each) => each.startsWith("tcp "))).not.toHaveLength(1);
  for (const host of [alice.host, bob.host]) expect(await seen(host, "unmarked")).toEqual([]);
  // What has no mark would be seen.
  await alice.host.must("bash", "-c", "echo > /dev/udp/5.5.5.8/9");
  expect(await seen(alice.host, "unmarked")).toEqual(["udp 9"]);
  await alice.host.must("nft", "flush", "set", "inet", "marks", "unmarked");
  expect(await alice.host.must("wg", "show", "mesh0", "fwmark")).toBe(`${MARK}\n`);
});

it("asks for names as the system would: in turn, below search domains, and over TCP what one datagram cannot say", async () => {
  const { host } = alice;
  const lines = ["nameserver 10.0.0.99", "nameserver 10.0.0.1", "search nowhere.example example", "options timeout:1"];
  const [program = "", ...args] = resolvingBy(host, ...lines);
  const names = ["many", NAME, "missing.example", "10.0.0.7"];
  const said = await host.must(program, ...args, process.execPath, resolveNames, MARK, ...names);
  const { many, ...others } = JSON.parse(said);
  expect(new Set(many)).toEqual(new Set(MANY));
  expect(others).toEqual({ [NAME]: ["5.5.5.8"], "missing.example": "ENOTFOUND", "10.0.0.7": ["10.0.0.7"] });
  expect(await seen(host, "marked")).toEqual(expect.arrayContaining(["tcp 53"]));
  expect(await seen(host, "unmarked")).toEqual([]);
  const [alone = "", ...wrapped] = resolvingBy(host, "nameserver 10.0.0.1", "options timeout:1 attempts:1");
  await raiseWall(host, "udp sport 53");
  const silent = await host.must(alone, ...wrapped, process.execPath, resolveNames, MARK, NAME);
  await dropWall(host);
  expect(JSON.parse(silent)).toEqual({ [NAME]: "EAI_AGAIN" });
});

it("a default route into the tunnel for all that has no mark carries nothing of ours", async () => {
  const { host } = alice;
  expect(await host.pings("5.5.5.8")).toBe(true);
  // Else what comes back to marked sockets would be held against routes for what has no mark.
  await host.sysctl("net.ipv4.conf.all.src_valid_mark", 1);
  await host.ip("route", "add", "default", "dev", "mesh0", "table", TABLE);
  await host.ip("rule", "add", "not", "fwmark", MARK, "lookup", TABLE, "priority", "100");
  expect(await host.pings("5.5.5.8")).toBe(false);

  await uses("udp");
  await raiseWall(host, UDP_ALL);
  await uses("ssh");
  await dropWall(host);
  await uses("udp");
  const { coordinator } = netcheckSchema.parse(await meshJson(host, alice.home, "netcheck"));
  expect(coordinator.reached).toBe(true);
  expect(await seen(host, "unmarked")).toEqual([]);
});
