import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import koffi from "koffi";
import { afterEach, describe, expect, it } from "vitest";
import { notifyService } from "../../../src/daemon/sd-notify.ts";
import { AF_UNIX, SOCK_DGRAM } from "../../../src/host/ffi/constants.ts";

const libc = koffi.load(null);
const openSocket = libc.func("int socket(int family, int type, int protocol)");
const bind = libc.func("int bind(int fd, const void *address, unsigned int size)");
const receive = libc.func("long recv(int fd, _Out_ uint8_t *buffer, size_t size, int flags)");
const close = libc.func("int close(int fd)");
const MSG_DONTWAIT = 0x40;

describe("telling the service manager (sd_notify(3))", () => {
  const directory = mkdtempSync(join(tmpdir(), "mesh-notify-"));
  let fd = -1;

  afterEach(() => {
    close(fd);
    rmSync(directory, { recursive: true, force: true });
  });

  it.each([
    ["a path", join(directory, "notify"), join(directory, "notify")],
    ["an abstract name", `@mesh-notify-${process.pid}`, `\0mesh-notify-${process.pid}`],
  ])("sends one datagram to %s", (_what, target, name) => {
    fd = openSocket(AF_UNIX, SOCK_DGRAM, 0);
    const address = Buffer.concat([Buffer.from([AF_UNIX, 0]), Buffer.from(name)]);
    expect(bind(fd, address, address.length)).toBe(0);
    expect(notifyService("READY=1", target)).toBe(true);
    const buffer = Buffer.alloc(64);
    const size: number = receive(fd, buffer, buffer.length, MSG_DONTWAIT);
    expect(buffer.toString("utf8", 0, size)).toBe("READY=1");
  });

  it("is no failure where nobody listens", () => {
    expect(notifyService("READY=1", undefined)).toBe(false);
    expect(notifyService("READY=1", "")).toBe(false);
    expect(notifyService("READY=1", join(directory, "nobody"))).toBe(false);
    expect(notifyService("READY=1", `/${"x".repeat(200)}`)).toBe(false);
  });
});
