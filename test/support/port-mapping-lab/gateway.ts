import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { LabHost } from "../lab/lab-host.ts";
import type { LabProcess } from "../lab/lab-process.ts";

/** Makes `router` a home router: NAT from `in0` to `out0`, and only what is mapped comes in. */
export async function makeHomeRouter(router: LabHost): Promise<void> {
  await router.sysctl("net.ipv4.ip_forward", 1);
  await router.must("nft", RULES);
}

// Tables and chains have the names that miniupnpd looks for.
const RULES = `
table inet filter {
  chain input {
    type filter hook input priority filter;
    iifname "out0" meta l4proto udp ct state new drop
  }
  chain forward {
    type filter hook forward priority filter;
    jump miniupnpd
    iifname "out0" oifname "in0" ct state new drop
  }
  chain prerouting {
    type nat hook prerouting priority dstnat;
    jump prerouting_miniupnpd
  }
  chain postrouting {
    type nat hook postrouting priority srcnat;
    jump postrouting_miniupnpd
    oifname "out0" masquerade
  }
  chain miniupnpd { }
  chain prerouting_miniupnpd { }
  chain postrouting_miniupnpd { }
}`;

/** Starts miniupnpd on a home router: it speaks PCP, NAT-PMP and UPnP towards `in0`. */
export async function startMiniupnpd(router: LabHost, { igd = 2 }: { igd?: 1 | 2 } = {}): Promise<LabProcess> {
  const file = join(router.scratchDirectory, "miniupnpd.conf");
  await writeFile(file, `${CONFIGURATION}force_igd_desc_v1=${igd === 1 ? "yes" : "no"}\n`);
  const daemon = await router.start("miniupnpd", [
    "-d",
    "-f",
    file,
    "-P",
    join(router.scratchDirectory, "miniupnpd.pid"),
  ]);
  await daemon.waitForOutput(/Listening for NAT-PMP\/PCP traffic/);
  return daemon;
}

const CONFIGURATION = `
ext_ifname=out0
listening_ip=in0
enable_natpmp=yes
enable_upnp=yes
secure_mode=yes
uuid=dc8663fa-4cc0-46f8-8fdc-4be6fb10bb27
allow 1024-65535 0.0.0.0/0 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
`;

/** As a router that speaks UPnP alone. */
export async function dropPcpAndNatPmp(router: LabHost): Promise<void> {
  await router.must("nft", 'insert rule inet filter input iifname "in0" udp dport 5351 drop');
}

/** As a router from before 2013: what is not NAT-PMP (version 0) is not answered. */
export async function dropPcp(router: LabHost): Promise<void> {
  await router.must("nft", 'insert rule inet filter input iifname "in0" udp dport 5351 @th,64,8 != 0 drop');
}
