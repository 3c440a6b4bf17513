import { afterAll, beforeAll, expect, it } from "vitest";
import type { DnsStatus } from "../../src/api/local-dns.ts";
import { meshJson, runMesh } from "../support/lab/mesh-command.ts";
import type { MeshPeer } from "../support/lab/mesh-peer.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";
import { SystemdResolved } from "../support/lab/systemd-resolved.ts";

// The real systemd-resolved, on a bus of its own; resolv.conf leads to its stub.

const SERVER = "192.0.2.1";

let network: SmallNetwork;
let resolved: SystemdResolved;
let alice: MeshPeer;

beforeAll(async () => {
  network = await SmallNetwork.open("alice", "bob");
  await network.serverHost.start("dnsmasq", [
    "--keep-in-foreground",
    "--no-hosts",
    "--no-resolv",
    `--listen-address=${SERVER}`,
    "--bind-interfaces",
    "--pid-file=",
    "--address=/outside.example/192.0.2.77",
  ]);
  resolved = await SystemdResolved.start(network.host("alice"), SERVER);
  await network.join("bob");
  alice = await network.join("alice", { wrapper: resolved.wrapper, env: resolved.env });
  await alice.reaches("bob");
});
afterAll(() => network[Symbol.asyncDispose]());

it("is told of the mesh's names alone, and forgets them when the daemon ends", async () => {
  const { host, routes } = (await meshJson(alice.host, alice.home, "dns", "status")) as DnsStatus;
  expect(host).toMatchObject({ manager: "systemd-resolved", inForce: true });
  expect(routes.find(({ suffix }) => suffix === null)?.servers).toEqual([SERVER]);
  const { peers } = await alice.status();
  const bob = peers[0];
  for (const name of ["bob.mesh", "bob"]) {
    expect(await resolved.run("getent", "ahostsv4", name)).toContain(`${bob?.ip4} `);
  }
  expect(await resolved.run("resolvectl", "query", "--legend=no", `${bob?.ip4}`)).toContain("bob.mesh");
  expect(await resolved.run("getent", "ahostsv4", "outside.example")).toContain("192.0.2.77 ");
  expect(await resolved.run("resolvectl", "default-route", "mesh0")).toMatch(/: no/);
  expect(await resolved.run("readlink", "/etc/resolv.conf")).toContain("/run/systemd/resolve/stub-resolv.conf");

  expect(await alice.stop()).toBe(0);
  expect(await resolved.run("resolvectl", "domain")).not.toContain("mesh");
  await expect(resolved.run("getent", "ahostsv4", "bob.mesh")).rejects.toThrow();
  const { status } = await runMesh(alice.host, alice.home, "undo");
  expect(status).toBe(0);
});
