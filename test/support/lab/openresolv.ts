import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { unpackedPackage } from "../../../scripts/lib/unpacked-packages.mjs";
import type { LabHost } from "./lab-host.ts";

/** The real openresolv on a lab host, which makes resolv.conf. Other programs of the host see it with `wrapper` and `env`. */
export class Openresolv {
  readonly #host: LabHost;
  readonly wrapper: readonly string[];
  readonly env: NodeJS.ProcessEnv;

  constructor(host: LabHost) {
    const own = `${host.scratchDirectory}/openresolv`;
    const files = unpackedPackage("openresolv");
    mkdirSync(`${own}/bin`, { recursive: true });
    mkdirSync(`${own}/run`);
    // Where Debian has put its parts, which are not installed here.
    const program = readFileSync(`${files}/sbin/resolvconf`, "utf8");
    const moved = program.replace(/^LIBEXECDIR=.*$/m, `LIBEXECDIR=${files}/lib/resolvconf`);
    writeFileSync(`${own}/bin/resolvconf`, moved, { mode: 0o755 });
    this.#host = host;
    this.wrapper = [
      "sh",
      "-c",
      'mkdir -p /run/resolvconf && mount --bind "$0" /run/resolvconf && exec "$@"',
      `${own}/run`,
    ];
    this.env = { ...process.env, PATH: `${own}/bin:${process.env.PATH}` };
  }

  /** As a DHCP client tells it. */
  async add(record: string, text: string): Promise<void> {
    const [wrapper = "", ...words] = this.wrapper;
    const script = `printf '${text}' | resolvconf -a ${record}`;
    await this.#host.must(wrapper, ...words, "env", `PATH=${this.env.PATH}`, "sh", "-c", script);
  }
}
