import { writeFileSync } from "node:fs";
import { eventually } from "./eventually.ts";
import type { LabHost } from "./lab-host.ts";
import type { LabProcess } from "./lab-process.ts";
import { systemBusConfig } from "./system-bus.ts";

const PACKAGES = [
  ...["firewalld", "python3-firewall", "python3-nftables"],
  ...["python3-dbus", "python3-gi", "gir1.2-glib-2.0", "libgirepository-1.0-1"],
];

/** The real firewalld on a lab host, as it comes, on a D-Bus of its own. */
export class Firewalld {
  readonly #host: LabHost;
  readonly #processes: LabProcess[] = [];

  private constructor(host: LabHost) {
    this.#host = host;
  }

  static async start(host: LabHost): Promise<Firewalld> {
    host.install({ packages: PACKAGES });
    const firewalld = new Firewalld(host);
    const bus = `${host.scratchDirectory}/bus`;
    writeFileSync(`${bus}.conf`, systemBusConfig(bus));
    const env = { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${bus}` };
    const start = async (program: string, ...args: string[]) => {
      const started = await host.start(program, args, { env });
      firewalld.#processes.push(started);
      return started;
    };
    await start("dbus-daemon", `--config-file=${bus}.conf`, "--nofork", "--nopidfile");
    await eventually("the bus is there", () => host.run("test", "-S", bus).then(({ status }) => status === 0));
    const daemon = await start("firewalld", "--nofork", "--nopid", "--log-target", "console");
    await eventually("firewalld runs", () => firewalld.cmd("--state"), { timeoutMs: 30_000 }).catch(
      (cause: unknown) => {
        throw new Error(daemon.tail(), { cause });
      },
    );
    return firewalld;
  }

  /** `firewall-cmd …`, which must succeed; what it printed. */
  cmd(...args: string[]): Promise<string> {
    const bus = `DBUS_SYSTEM_BUS_ADDRESS=unix:path=${this.#host.scratchDirectory}/bus`;
    return this.#host.must("env", bus, "firewall-cmd", ...args);
  }

  /** As its service is stopped: its rules go. */
  async stop(): Promise<void> {
    for (const each of this.#processes.toReversed()) await each.stop();
  }
}
