import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { groupId } from "../../../../src/host/ffi/group-id.ts";
import { peerCredentials } from "../../../../src/host/ffi/peer-credentials.ts";

it("tells who is at the other end of a Unix socket, with all groups", async () => {
  const directory = mkdtempSync(join(tmpdir(), "mesh-cred-"));
  const server = createServer().listen(join(directory, "socket"));
  await once(server, "listening");
  const accepted = once(server, "connection");
  const client = connect(join(directory, "socket"));
  const [socket]: Socket[] = await accepted;
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
  const { uid, gids } = peerCredentials(fd);
  expect(uid).toBe(process.geteuid?.());
  expect(new Set(gids)).toEqual(new Set([process.getegid?.(), ...(process.getgroups?.() ?? [])]));
  client.destroy();
  socket?.destroy();
  server.close();
  rmSync(directory, { recursive: true });
});

it("says so where a descriptor is no socket", () => {
  expect(() => peerCredentials(0x7fff_ffff)).toThrow(expect.objectContaining({ code: "EBADF" }));
});

it("knows this host's groups by name", () => {
  expect(groupId("root")).toBe(0);
  expect(groupId("no-such-group")).toBeUndefined();
});
