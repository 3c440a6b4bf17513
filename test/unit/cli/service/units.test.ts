import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { run } from "../../../../scripts/lib/process.mjs";
import { runCli } from "../../../../src/cli/program.ts";
import { Systemd } from "../../../../src/cli/service/systemd.ts";
import { SERVICES, UNIT_MARK, unitFile, unitOf } from "../../../../src/cli/service/unit-file.ts";

const program = [process.execPath, import.meta.filename];
const plain = { program, home: undefined, network: undefined, config: undefined, joins: false };

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "mesh-units-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function analyze(unit: string, text: string, ...args: string[]) {
  const file = join(directory, unit);
  writeFileSync(file, text);
  return await run("systemd-analyze", [...args, file]);
}

describe("the units (systemd.exec(5), systemd.service(5))", () => {
  it.each([
    ["peer", false, 2.5],
    ["server", false, 2],
    ["server", true, 2.5],
    ["relay", false, 2],
  ] as const)(
    "of a %s (whose host joins: %j): nothing is wrong, and at most %d of 10 exposed",
    async (kind, joins, limit) => {
      const text = await unitFile(kind, { ...plain, joins });
      const { status, stderr } = await analyze(SERVICES[kind].unit, text, "verify");
      expect([status, stderr]).toEqual([0, ""]);
      const args = ["security", "--offline=true", `--threshold=${limit * 10}`];
      const exposure = await analyze(SERVICES[kind].unit, text, ...args);
      expect(exposure.stdout).toMatch(/Overall exposure level for \S+: \d/);
      expect(exposure.status).toBe(0);
    },
  );

  it("run this program, with its home and network", async () => {
    const odd = { ...plain, program: ["/opt/no de/node", "/opt/$x%/main.js"], home: "/srv/mesh", network: "work" };
    const text = await unitFile("peer", odd);
    expect(text).toContain('\nExecStart="/opt/no de/node" /opt/$$x%%/main.js --home /srv/mesh --network work up\n');
    expect(text).toContain("\nReadWritePaths=/srv/mesh\n");
    expect(text).toContain("\nProtectHome=yes\n");
    expect(await unitFile("server", plain)).toContain(`\nExecStart=${program.join(" ")} serve\n`);
    expect(await unitFile("relay", plain)).toContain(`\nExecStart=${program.join(" ")} relay\n`);
    expect(await unitFile("peer", { ...plain, home: "/root/mesh" })).toContain("\nProtectHome=read-only\n");
    expect(await unitFile("peer", { ...plain, config: "/etc/mesh/work.yaml" })).toContain(
      " up --config /etc/mesh/work.yaml\n",
    );
  });

  it("of networks that are named stand beside each other", async () => {
    expect([unitOf("peer", undefined), unitOf("peer", "work"), unitOf("server", "work")]).toEqual([
      "mesh.service",
      "mesh@work.service",
      "mesh-server.service",
    ]);
    expect(() => unitOf("peer", "../x")).toThrow(expect.objectContaining({ code: "bad-name" }));
    const text = await unitFile("peer", { ...plain, network: "work" });
    const { status, stderr } = await analyze(unitOf("peer", "work"), text, "verify");
    expect([status, stderr]).toEqual([0, ""]);
    const systemd = new Systemd(directory);
    for (const network of ["work", "home"]) await systemd.install(unitOf("peer", network), text);
    await systemd.uninstall("mesh@home.service");
    const wanted = join(directory, "etc/systemd/system/multi-user.target.wants");
    expect(readdirSync(wanted)).toEqual(["mesh@work.service"]);
  });
});

describe("mesh service install, for a system that does not run", () => {
  const unit = SERVICES.peer.unit;

  it("writes the unit and enables it; uninstall leaves nothing", async () => {
    const systemd = new Systemd(directory);
    const link = join(directory, "etc/systemd/system/multi-user.target.wants", unit);
    await systemd.install(unit, await unitFile("peer", plain));
    expect(readlinkSync(link)).toBe(`/etc/systemd/system/${unit}`);
    const other = await unitFile("peer", { ...plain, network: "work" });
    await systemd.install(unit, other);
    expect(readFileSync(systemd.fileOf(unit), "utf8")).toBe(other);
    await systemd.uninstall(unit);
    for (const path of [systemd.fileOf(unit), link]) expect(lstatSync(path, { throwIfNoEntry: false })).toBeUndefined();
    await expect(systemd.uninstall(unit)).rejects.toMatchObject({ code: "not-found" });
  });

  it.each([
    ["join: on\n", [], true],
    ["join: off\n", [], false],
    ["join: gateway\n", [], true],
    [undefined, [], false],
    [undefined, ["--join"], true],
  ])(
    "lets the coordinator's host be a peer where server.yaml (%j) or a flag (%j) says so: %j",
    async (config, flags, joins) => {
      mkdirSync(join(directory, "etc/mesh"), { recursive: true });
      if (config !== undefined) writeFileSync(join(directory, "etc/mesh/server.yaml"), config);
      vi.spyOn(process.stdout, "write").mockReturnValue(true);
      const status = await runCli(["service", "install", "--server", "--root", directory, "--json", ...flags]);
      vi.restoreAllMocks();
      expect(status).toBe(0);
      const text = readFileSync(new Systemd(directory).fileOf(SERVICES.server.unit), "utf8");
      expect(text.includes("DeviceAllow=/dev/net/tun")).toBe(joins);
    },
  );

  it("leaves another's unit alone", async () => {
    const systemd = new Systemd(directory);
    const text = await unitFile("peer", plain);
    await systemd.install(unit, text);
    const others = text.replace(UNIT_MARK, "# of a distribution");
    writeFileSync(systemd.fileOf(unit), others);
    await expect(systemd.install(unit, text)).rejects.toMatchObject({ code: "file-exists" });
    await expect(systemd.uninstall(unit)).rejects.toMatchObject({ code: "file-exists" });
    expect(readFileSync(systemd.fileOf(unit), "utf8")).toBe(others);
  });

  it("leaves nothing where systemctl refuses, and what was there where something was", async () => {
    const refusing = new Systemd(directory, () =>
      Promise.resolve({ status: 1, stdout: "", stderr: "Access denied\n" }),
    );
    await expect(refusing.install(unit, await unitFile("peer", plain))).rejects.toMatchObject({
      code: "not-permitted",
    });
    expect(existsSync(refusing.fileOf(unit))).toBe(false);
    await new Systemd(directory).install(unit, await unitFile("peer", plain));
    const other = await unitFile("peer", { ...plain, network: "work" });
    await expect(refusing.install(unit, other)).rejects.toMatchObject({ code: "not-permitted" });
    expect(readFileSync(refusing.fileOf(unit), "utf8")).toBe(await unitFile("peer", plain));
  });

  it("says which program is missing, and what systemctl said", async () => {
    const missing = new Systemd(directory, () => Promise.reject(Object.assign(new Error("spawn"), { code: "ENOENT" })));
    await expect(missing.systemctl("start", unit)).rejects.toMatchObject({ code: "missing-tool" });
    const failing = new Systemd(directory, () => Promise.resolve({ status: 1, stdout: "", stderr: "Job failed.\n" }));
    await expect(failing.systemctl("start", unit)).rejects.toMatchObject({
      code: "service-failed",
      message: "systemctl start mesh.service failed: Job failed.",
    });
  });
});

describe("the state of a service", () => {
  const said = (stdout: string) => new Systemd(undefined, () => Promise.resolve({ status: 0, stdout, stderr: "" }));

  it("is what systemctl shows", async () => {
    const active = "LoadState=loaded\nUnitFileState=enabled\nActiveState=active\nMainPID=42\n";
    const none = "LoadState=not-found\nUnitFileState=\nActiveState=inactive\nMainPID=0\n";
    const unit = "mesh.service";
    const expected = { unit, installed: true, enabled: true, active: "active", pid: 42 };
    expect(await said(active).status(unit)).toEqual(expected);
    expect(await said(none).status(unit)).toEqual({
      unit,
      installed: false,
      enabled: false,
      active: "inactive",
      pid: null,
    });
  });
});
