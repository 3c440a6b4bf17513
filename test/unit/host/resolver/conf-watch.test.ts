import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ConfWatch } from "../../../../src/host/resolver/conf-watch.ts";

// On real files. The poll comes too late for any of these.

let directory: string;
let watch: ConfWatch;
let heard: number;
const path = (...names: string[]) => join(directory, ...names);
const open = () => {
  const files = {
    resolvConf: path("etc", "resolv.conf"),
    resolvedUplinks: path("run", "uplinks.conf"),
    resolvconfRecords: [path("records"), path("nowhere")],
  };
  watch = new ConfWatch(() => heard++, files);
};
/** Waits until something was heard since the last time. */
const isHeard = () =>
  vi.waitFor(
    () => {
      expect(heard).toBeGreaterThan(0);
      heard = 0;
    },
    { timeout: 5000, interval: 10 },
  );
/** What comes of a change comes in a burst. */
const silence = async () => {
  await new Promise((resolve) => setTimeout(resolve, 150));
  heard = 0;
};

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "watch-"));
  for (const name of ["etc", "run", "records"]) mkdirSync(path(name));
  writeFileSync(path("etc", "resolv.conf"), "nameserver 192.0.2.53\n");
  heard = 0;
});
afterEach(() => {
  watch[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});

it("tells of a file that is written, replaced in one step, taken away and there again, each time anew", async () => {
  open();
  writeFileSync(path("etc", "resolv.conf"), "nameserver 192.0.2.54\n");
  await isHeard();
  for (let round = 0; round < 3; round++) {
    await silence();
    writeFileSync(path("etc", "resolv.conf.new"), `nameserver 192.0.2.${round}\n`);
    renameSync(path("etc", "resolv.conf.new"), path("etc", "resolv.conf"));
    await isHeard();
  }
  await silence();
  unlinkSync(path("etc", "resolv.conf"));
  await isHeard();
  await silence();
  writeFileSync(path("etc", "resolv.conf"), "");
  await isHeard();
});

it("follows links, also where they come to lead while it watches, and the one that a file of ours stands for", async () => {
  symlinkSync("../run/real.conf", path("etc", "link.conf"));
  writeFileSync(path("run", "real.conf"), "nameserver 192.0.2.1\n");
  open();
  renameSync(path("etc", "link.conf"), path("etc", "resolv.conf"));
  await isHeard();
  await silence();
  writeFileSync(path("run", "real.conf"), "nameserver 192.0.2.2\n");
  await isHeard();
  await silence();
  const ours = `# Made by mesh for the network mesh; it was:\n# former file: ${path("run", "real.conf")}\nnameserver 127.0.0.99\n`;
  writeFileSync(path("etc", "resolv.conf.new"), ours);
  renameSync(path("etc", "resolv.conf.new"), path("etc", "resolv.conf"));
  await isHeard();
  await silence();
  writeFileSync(path("run", "real.conf"), "nameserver 192.0.2.3\n");
  await isHeard();
});

it("tells of the uplinks of systemd-resolved and of resolvconf's records, and of nothing else beside", async () => {
  open();
  writeFileSync(path("run", "uplinks.conf"), "nameserver 192.0.2.1\n");
  await isHeard();
  await silence();
  writeFileSync(path("records", "eth0"), "nameserver 192.0.2.1\n");
  await isHeard();
  await silence();
  writeFileSync(path("etc", "hosts"), "");
  writeFileSync(path("run", "other"), "");
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(heard).toBe(0);
});

it("tells nothing once it is closed", async () => {
  open();
  writeFileSync(path("etc", "resolv.conf"), "nameserver 192.0.2.54\n");
  watch[Symbol.dispose]();
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(heard).toBe(0);
});
