import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { unpackedPackage } from "../../../scripts/lib/unpacked-packages.mjs";
import { eventually } from "./eventually.ts";
import type { LabHost } from "./lab-host.ts";
import type { LabProcess } from "./lab-process.ts";
import { systemBusConfig } from "./system-bus.ts";

const STUB = "/run/systemd/resolve/stub-resolv.conf";
const USER = 996;

/**
 * The real systemd-resolved on a lab host, with a D-Bus of its own, and resolv.conf leading to its stub. Other programs of the
 * host see it with `wrapper` and `env`.
 */
export class SystemdResolved {
  readonly #host: LabHost;
  readonly wrapper: readonly string[];
  readonly env: NodeJS.ProcessEnv;

  private constructor(host: LabHost) {
    const scratch = host.scratchDirectory;
    this.#host = host;
    const enter = 'mkdir -p /run/systemd && mount --bind "$0" /run/systemd && exec "$@"';
    this.wrapper = ["unshare", "--mount", "sh", "-c", enter, `${scratch}/systemd`];
    const libraries = `${unpackedPackage("libsystemd-shared")}/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu/systemd`;
    this.env = {
      ...process.env,
      PATH: `${unpackedPackage("systemd-resolved")}/usr/bin:${process.env.PATH}`,
      LD_LIBRARY_PATH: libraries,
      DBUS_SYSTEM_BUS_ADDRESS: `unix:path=/run/systemd/bus`,
    };
  }

  /** @param server whom it asks */
  static async start(host: LabHost, server: string): Promise<SystemdResolved> {
    const resolved = new SystemdResolved(host);
    const { scratchDirectory: scratch } = host;
    const run = `${scratch}/systemd`;
    mkdirSync(`${run}/resolved.conf.d`, { recursive: true });
    chmodSync(run, 0o755);
    writeFileSync(
      `${run}/resolved.conf.d/lab.conf`,
      `[Resolve]\nDNS=${server}\nDNSSEC=no\nLLMNR=no\nMulticastDNS=no\n`,
    );
    writeFileSync(`${run}/bus.conf`, systemBusConfig("/run/systemd/bus"));
    // Its user, and resolv.conf as its package makes it.
    for (const [file, line] of [
      ["passwd", `systemd-resolve:x:${USER}:${USER}::/:/usr/sbin/nologin`],
      ["group", `systemd-resolve:x:${USER}:`],
    ] as const) {
      const path = `${scratch}/etc/${file}`;
      rmSync(path);
      writeFileSync(path, `${readFileSync(`/etc/${file}`, "utf8")}${line}\n`, { mode: 0o644 });
    }
    rmSync(`${scratch}/etc/resolv.conf`);
    symlinkSync(STUB, `${scratch}/etc/resolv.conf`);
    await resolved.#start("dbus-daemon", "--config-file=/run/systemd/bus.conf", "--nofork", "--nopidfile");
    await eventually("the bus is there", () => resolved.run("test", "-S", "/run/systemd/bus"));
    const daemon = await resolved.#start(`${unpackedPackage("systemd-resolved")}/lib/systemd/systemd-resolved`);
    await eventually("it answers", () => resolved.run("resolvectl", "dns")).catch((failure: unknown) => {
      throw new Error(daemon.tail(), { cause: failure });
    });
    return resolved;
  }

  /** A program that sees it; what it printed. */
  async run(program: string, ...args: string[]): Promise<string> {
    const environment = ["PATH", "LD_LIBRARY_PATH", "DBUS_SYSTEM_BUS_ADDRESS"].map((key) => `${key}=${this.env[key]}`);
    const [wrapper = "", ...words] = this.wrapper;
    return (await this.#host.must(wrapper, ...words, "env", ...environment, program, ...args)) || "done";
  }

  async #start(program: string, ...args: string[]): Promise<LabProcess> {
    const [wrapper = "", ...words] = this.wrapper;
    return this.#host.start(wrapper, [...words, program, ...args], { env: this.env });
  }
}
