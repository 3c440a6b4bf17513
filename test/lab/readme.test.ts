import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { meshEntryPoint } from "../../scripts/lib/project.mjs";
import { eventually } from "../support/lab/eventually.ts";
import { Lab } from "../support/lab/lab.ts";
import type { LabHost } from "../support/lab/lab-host.ts";
import type { LabProcess } from "../support/lab/lab-process.ts";

// README as a new user reads it: each command that it shows is typed, as it stands there, on machines that know nothing yet.

const README = readFileSync(resolve(import.meta.dirname, "../../README.md"), "utf8");
const ADDRESSES = {
  "coordinator.example.com": "192.0.2.1",
  "alice.example.com": "192.0.2.2",
  "vpn.example.com": "192.0.2.3",
  "relay.example.com": "192.0.2.4",
};
const NAMES = ["server", "alice", "bob", "relay"] as const;
type Name = (typeof NAMES)[number];

/** Commands that set the machine itself up, or run all of this. */
const ELSEWHERE = ["npm run demo", "npm test"];

/** What README shows, without its comments, one line after the other. */
const shown = Array.from(README.matchAll(/^```console\n(.*?)^```$/gms), ([, block = ""]) => block)
  .flatMap((block) => block.split("\n"))
  .flatMap((line) => (line.startsWith("# ") ? [line.slice(2).replace(/\s+#.*$/, "")] : []))
  .filter((line) => !ELSEWHERE.includes(line));

let lab: Lab;
let hosts: Record<Name, LabHost>;
const typed = new Set<string>();

beforeAll(async () => {
  lab = await Lab.open();
  const segment = await lab.segment("segment");
  const made = await Promise.all(NAMES.map((name) => lab.host(name)));
  hosts = Object.fromEntries(NAMES.map((name, i) => [name, made[i]])) as Record<Name, LabHost>;
  for (const [i, host] of made.entries()) {
    await segment.attach(host, "eth0", [`192.0.2.${i + 1}/24`, `2001:db8::${i + 1}/64`]);
    const scratch = host.scratchDirectory;
    mkdirSync(`${scratch}/bin`);
    symlinkSync(meshEntryPoint, `${scratch}/bin/mesh`);
    mkdirSync(`${scratch}/user`);
    rmSync(`${scratch}/etc/hosts`);
    const lines = Object.entries(ADDRESSES).map(([name, address]) => `${address} ${name}\n`);
    writeFileSync(`${scratch}/etc/hosts`, `127.0.0.1 localhost\n${lines.join("")}`);
  }
});
afterAll(() => lab[Symbol.asyncDispose]());

/** A shell of this machine's, in the directory of its user. */
function shell(name: Name, line: string): [string, string[]] {
  const { scratchDirectory: scratch } = hosts[name];
  const variables = [`PATH=${scratch}/bin:${process.env.PATH}`, `MESH_HOME=${scratch}/mesh`];
  const enter = `echo ${name} > /proc/sys/kernel/hostname && cd '${scratch}/user' && exec ${line}`;
  return ["unshare", ["--uts", "env", ...variables, "sh", "-c", enter]];
}

/** Types what README shows. `token` stands in the place of the one that is cut short there. */
async function type(name: Name, line: string, { token = "", statuses = [0] } = {}): Promise<string> {
  typed.add(line);
  const [program, args] = shell(name, line.replace("mesh1_…", token));
  const { status, stdout, stderr } = await hosts[name].run(program, ...args);
  expect(statuses, `${name}: ${line}\n${stderr}${stdout}`).toContain(status);
  return stdout;
}

/** The same for one that stays. */
function stays(name: Name, line: string, token = ""): Promise<LabProcess> {
  typed.add(line);
  return hosts[name].start(...shell(name, line.replace("mesh1_…", token)));
}

const tokenIn = (text: string): string => /mesh1_\S+/.exec(text)?.[0] ?? "";

it("two hosts and a server have a network, by nothing but what README shows", async () => {
  const server = await stays("server", "mesh serve");
  await server.waitForOutput(/^ready /m);
  const adminToken = tokenIn(server.stdout);
  expect(tokenIn(await type("server", "mesh token create"))).not.toBe("");
  await type("server", "mesh invite create --name bob -o bob.toml");

  await type("alice", "mesh join --server coordinator.example.com --token mesh1_… --detach", { token: adminToken });
  const invitation = readFileSync(join(hosts.server.scratchDirectory, "user/bob.toml"));
  writeFileSync(join(hosts.bob.scratchDirectory, "user/bob.toml"), invitation);
  // As the comment says it, and as the line above has it for the background.
  await type("bob", "mesh join --invite bob.toml --detach");

  expect(await type("alice", "mesh status")).toContain("bob");
  await eventually("alice reaches bob", () => type("alice", "mesh ping bob").then(() => true), { timeoutMs: 20_000 });
  await type("alice", "mesh status --host");
});

it("a relay, paths and transports", async () => {
  const token = tokenIn(await type("server", "mesh token create --relay"));
  const relay = await stays("relay", "mesh relay --token mesh1_… --public-url https://relay.example.com", token);
  await relay.waitForOutput(/^ready /m);
  await type("alice", "mesh paths bob");
  await type("alice", "mesh prefer bob relay");
  await type("alice", "mesh prefer bob --exclude udp");
  await type("alice", "mesh prefer bob auto");
  await type("alice", "mesh down");
  const up = await stays("alice", "mesh up --transports udp,relay");
  await up.waitForOutput(/running|is up/i);
  await type("alice", "mesh ping bob --until-direct");
  await type("alice", "mesh netcheck");
});

it("CIDRs, the filter, policies and explanations", async () => {
  await type("server", "mesh cidr add servers 10.86.128.0/20");
  await type("server", "mesh token create --cidr servers");
  await type("server", "mesh association add members servers --one-way");
  await type("server", "mesh cidr list --tree");
  await type("alice", "mesh filter add --port 22 --action deny --source-peer bob");
  await type("alice", "mesh filter default deny");
  await type("alice", "mesh filter default allow");
  await type("alice", "mesh peer tag bob guest");
  await type("alice", "mesh filter add --port 25 --action reject --source-tag guest --scope network");
  expect(await type("alice", "mesh filter list")).toContain("tag:guest");
  const user = join(hosts.alice.scratchDirectory, "user");
  writeFileSync(`${user}/policy.txt`, "accept alice -> bob:443/tcp\n");
  writeFileSync(`${user}/changes.txt`, "cidr add web 10.86.192.0/20\n");
  await type("alice", "mesh policy test policy.txt");
  await type("alice", "mesh policy test policy.txt --proposed changes.txt");
  await type("alice", "mesh explain bob:22");
  await type("alice", "mesh explain 203.0.113.5:443", { statuses: [1] });
  await type("alice", "mesh filter test --from alice --to bob --protocol tcp --port 22");
});

it("names, the network's peers, and what the coordinator keeps", async () => {
  await type("alice", "mesh peer override-endpoint bob vpn.example.com:51820");
  expect(await type("alice", "mesh dns query bob")).toContain("10.86.");
  await type("alice", "mesh dns add git CNAME bob.mesh");
  await type("alice", "mesh dns servers set 192.0.2.53 --for corp.example");
  expect(await type("alice", "mesh peer list")).toContain("bob");
  await type("alice", "mesh peer disable bob");
  expect(await type("alice", "mesh audit --since 7d")).toContain("bob");
  await type("server", "mesh backup mesh.db");
});

it("there is no command in README that was not typed", () => {
  expect(shown.length).toBeGreaterThan(30);
  expect(shown.filter((line) => !typed.has(line))).toEqual([]);
});
