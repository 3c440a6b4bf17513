import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { runCli } from "../../../src/cli/program.ts";

describe("mesh init, mesh config check", () => {
  let directory: string;
  let stdout: string;
  let stderr: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "mesh-config-"));
    vi.spyOn(process.stdout, "write").mockImplementation((text) => {
      stdout += text;
      return true;
    });
    vi.spyOn(process.stderr, "write").mockImplementation((text) => {
      stderr += text;
      return true;
    });
  });
  afterEach(() => {
    vi.restoreAllMocks();
    rmSync(directory, { recursive: true, force: true });
  });

  async function mesh(...args: string[]): Promise<number> {
    stdout = "";
    stderr = "";
    return await runCli(args);
  }

  const write = (name: string, text: string) => {
    const file = join(directory, name);
    writeFileSync(file, text);
    return file;
  };

  it.each(["peer", "server", "relay"])("writes the commented example for a %s, which is a good one", async (kind) => {
    const to = join(directory, "etc", "mesh");
    const file = join(to, `${kind}.yaml`);
    expect(await mesh("init", `--${kind}`, "-o", to)).toBe(0);
    expect(stdout).toContain(`mesh config check ${file}`);
    expect(await mesh("config", "check", file, "--json")).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ file, kind, valid: true, faults: [] });
  });

  it("replaces no file unasked, and writes nothing that it cannot write whole", async () => {
    const file = write("peer.yaml", "name: alice\n");
    expect(await mesh("init", "--peer", "-o", directory, "--json")).toBe(6);
    expect(JSON.parse(stderr).error).toMatchObject({ code: "file-exists", hint: "Replace it with --force." });
    expect(readFileSync(file, "utf8")).toBe("name: alice\n");
    expect(await mesh("init", "--peer", "-o", directory, "--force", "--json")).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ file, kind: "peer" });
    expect(readFileSync(file, "utf8")).toContain("# name: alice");

    expect(await mesh("init", "--server", "-o", file)).toBe(2);
    expect(existsSync(join(directory, "server.yaml"))).toBe(false);
    expect(await mesh("init")).toBe(2);
    expect(await mesh("init", "--server", "--peer", "-o", directory)).toBe(2);
    expect(existsSync(join(directory, "server.yaml"))).toBe(false);
  });

  it("says every fault with its line, on stderr for people and on stdout for scripts", async () => {
    const file = write(
      "peer.yaml",
      "name: alice\nmtu: 20\n\ncolour: red\nfilter: {rules: [{port: 70000, action: deny}]}\n",
    );
    expect(await mesh("config", "check", file)).toBe(2);
    expect(stdout).toBe("");
    expect(stderr.match(/peer\.yaml:\d+: (unknown key|\w+)/g)).toEqual([
      "peer.yaml:2: mtu",
      "peer.yaml:4: unknown key",
      "peer.yaml:5: filter",
    ]);
    expect(await mesh("config", "check", file, "--json")).toBe(2);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ file, kind: "peer", valid: false });
    expect(report.faults.map(({ line }: { line: number }) => line)).toEqual([2, 4, 5]);
    expect(JSON.parse(stderr).error.code).toBe("bad-config");
  });

  it("says every fault of syntax", async () => {
    const file = write("server.yaml", 'name: "mesh\ndomain: [a\n');
    expect(await mesh("config", "check", file, "--json")).toBe(2);
    expect(JSON.parse(stdout).faults.length).toBeGreaterThan(0);
    const twice = write("server.yaml", "name: a\nname: b\nrelay: on\nrelay: off\n");
    expect(await mesh("config", "check", twice, "--json")).toBe(2);
    expect(JSON.parse(stdout).faults.map(({ line }: { line: number }) => line)).toEqual([2, 4]);
  });

  it("tells what a file is for by a flag, by its name or by its keys", async () => {
    const kindOf = async (name: string, text: string, ...flags: string[]) => {
      const status = await mesh("config", "check", write(name, text), "--json", ...flags);
      return status === 0 ? JSON.parse(stdout).kind : JSON.parse(stderr).error.code;
    };
    expect(await kindOf("a.yaml", "relay: on\ndomain: mesh\n")).toBe("server");
    expect(await kindOf("a.yaml", "interface: mesh0\ntransports: [udp]\n")).toBe("peer");
    expect(await kindOf("a.yaml", "server: c\nlisten: ':443'\n")).toBe("relay");
    expect(await kindOf("relay-2.yaml", "name: berlin\n")).toBe("relay");
    expect(await kindOf("a.yaml", "name: berlin\n", "--relay")).toBe("relay");
    expect(await kindOf("peer.yaml", "domain: mesh\n", "--server")).toBe("server");
    for (const text of ["", "name: berlin\n", "- a\n"]) expect(await kindOf("a.yaml", text)).toBe("bad-usage");
    expect(await mesh("config", "check", join(directory, "none.yaml"))).toBe(5);
    expect(await mesh("config", "check", directory)).toBe(2);
  });
});
