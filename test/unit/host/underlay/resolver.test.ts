import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { plainSocket } from "../../../../src/host/tcp.ts";
import { type OpenUdp, plainUdp } from "../../../../src/host/udp.ts";
import { ownResolver } from "../../../../src/host/underlay/resolver.ts";

// Names that need no server; those that do are asked of a real one in test/lab/firewall-mark.test.ts.

let directory: string;
const files = () => ({
  hosts: join(directory, "hosts"),
  resolvConf: join(directory, "resolv.conf"),
  resolvedUplinks: join(directory, "uplinks"),
  resolvconfRecords: [],
});
const noUdp: OpenUdp = () => {
  throw new Error("nobody is to be asked");
};

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "mesh-resolver-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

it("takes addresses as they are, and localhost for this host", async () => {
  const resolve = ownResolver({ openUdp: noUdp, dial: plainSocket }, files());
  expect(await resolve("192.0.2.1")).toEqual(["192.0.2.1"]);
  expect(await resolve("2001:db8::1")).toEqual(["2001:db8::1"]);
  expect(await resolve("coordinator.localhost")).toEqual(["127.0.0.1", "::1"]);
});

it("believes the hosts file, as it is at the moment", async () => {
  const resolve = ownResolver({ openUdp: noUdp, dial: plainSocket }, files());
  writeFileSync(files().hosts, "192.0.2.9 coordinator\n");
  expect(await resolve("coordinator")).toEqual(["192.0.2.9"]);
  writeFileSync(files().hosts, "192.0.2.10 coordinator\n");
  expect(await resolve("coordinator")).toEqual(["192.0.2.10"]);
});

it("says that nobody could be asked, with the code of getaddrinfo", async () => {
  writeFileSync(files().resolvConf, "nameserver 127.0.0.1\noptions attempts:1 timeout:1\n");
  const broken: OpenUdp = () => {
    throw new Error("no sockets left");
  };
  const resolve = ownResolver({ openUdp: broken, dial: plainSocket }, files());
  await expect(resolve("coordinator")).rejects.toMatchObject({ code: "EAI_AGAIN" });
});

it("gives up when it is told to", async () => {
  writeFileSync(files().resolvConf, "nameserver 127.0.0.1\n");
  const resolve = ownResolver({ openUdp: plainUdp, dial: plainSocket }, files());
  const reason = new Error("given up");
  await expect(resolve("coordinator", AbortSignal.abort(reason))).rejects.toBe(reason);
});
