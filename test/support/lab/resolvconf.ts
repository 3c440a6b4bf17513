import { rmSync, symlinkSync } from "node:fs";
import type { LabHost } from "./lab-host.ts";

/** The real openresolv, or Debian's own resolvconf, on a lab host: it makes resolv.conf. */
export async function installResolvconf(host: LabHost, packageName: "openresolv" | "resolvconf"): Promise<void> {
  // What another told there is none of its business.
  rmSync(`${host.scratchDirectory}/run`, { recursive: true, force: true });
  host.install({ packages: [packageName], ownRun: ["resolvconf"] });
  if (packageName === "openresolv") return;
  // As its package and its service do.
  const resolvConf = `${host.scratchDirectory}/etc/resolv.conf`;
  rmSync(resolvConf);
  symlinkSync("/run/resolvconf/resolv.conf", resolvConf);
  await host.must("resolvconf", "--enable-updates");
}

/** As a DHCP client tells it. */
export async function addToResolvconf(host: LabHost, record: string, text: string): Promise<void> {
  await host.must("sh", "-c", `printf '${text}' | resolvconf -a ${record}`);
}
