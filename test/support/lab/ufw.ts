import { chmodSync, copyFileSync, readdirSync } from "node:fs";
import { unpackedPackage } from "../../../scripts/lib/unpacked-packages.mjs";
import { IPTABLES, iptablesOf } from "./installed-packages.ts";
import type { LabHost } from "./lab-host.ts";

/** The real ufw on a lab host, not switched on yet. */
export async function installUfw(host: LabHost, backend: "nft" | "legacy"): Promise<void> {
  host.install({ packages: ["ufw", ...IPTABLES], alternatives: iptablesOf(backend) });
  // As its package does when it is installed.
  const templates = `${unpackedPackage("ufw")}/usr/share/ufw`;
  const own = `${host.scratchDirectory}/etc/ufw`;
  for (const name of readdirSync(`${templates}/iptables`))
    copyFileSync(`${templates}/iptables/${name}`, `${own}/${name}`);
  for (const name of ["ufw.conf", "before.init", "after.init"]) copyFileSync(`${templates}/${name}`, `${own}/${name}`);
  for (const name of readdirSync(own).filter((each) => each.endsWith(".rules"))) chmodSync(`${own}/${name}`, 0o640);
  await host.must("ufw", "allow", "in", "on", "eth0");
}

/** From now on what is forwarded is dropped, as ufw has it unless told otherwise. */
export async function enableUfw(host: LabHost): Promise<void> {
  await host.must("ufw", "--force", "enable");
}
