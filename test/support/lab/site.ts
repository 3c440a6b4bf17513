import { type Internet, PrivateNetwork, type Uplink } from "./internet.ts";
import type { Lab } from "./lab.ts";
import type { LabHost } from "./lab-host.ts";
import { makeRouter } from "./lab-router.ts";
import { type SiteKind, type SiteRouter, siteSpec } from "./site-kinds.ts";
import { startTinyproxy } from "./tinyproxy.ts";

export interface SiteOptions {
  readonly kind: SiteKind;
  /** 1–255, no two sites have the same. */
  readonly number: number;
  /** Labels of the hosts, by the router behind which they are; several routers stand behind one carrier. */
  readonly homes: readonly (readonly string[])[];
  /** Whether the NAT that stands farthest out hairpins. */
  readonly hairpin?: boolean;
}

export interface SiteHost {
  readonly host: LabHost;
  /** `HTTPS_PROXY` where there is no other way out. */
  readonly proxyUrl?: string;
}

/** Builds what stands between the hosts of one site and the internet, and the hosts. */
export async function buildSite(lab: Lab, internet: Internet, options: SiteOptions): Promise<SiteHost[]> {
  const { kind, number, homes, hairpin = false } = options;
  const { families, home, carrier } = siteSpec(kind);
  let outside = internet.uplink(number, families);
  if (carrier !== undefined) {
    const { uplink } = await addRouter(lab, outside, carrier, {
      label: "carrier",
      number: 1,
      net: `${carrier.net}.${number}`,
      hairpin,
    });
    outside = uplink;
  }
  const hosts: SiteHost[] = [];
  for (const [i, labels] of homes.entries()) {
    let uplink: Uplink = outside;
    let proxyUrl: string | undefined;
    if (home !== undefined) {
      const net = families.includes(6) ? `2001:db8:${number}` : `10.${number}.${i}`;
      const router = await addRouter(lab, outside, home, {
        label: "router",
        number: i + 2,
        net,
        hairpin: hairpin && carrier === undefined,
      });
      if (families.includes(6)) await internet.route(router.uplink.prefix, router.address);
      ({ uplink, proxyUrl } = router);
    }
    for (const [j, label] of labels.entries()) {
      const host = await lab.host(label);
      await uplink.attach(host, "eth0", j + 2);
      hosts.push({ host, ...(proxyUrl === undefined ? {} : { proxyUrl }) });
    }
  }
  return hosts;
}

async function addRouter(
  lab: Lab,
  outside: Uplink,
  router: SiteRouter,
  place: { label: string; number: number; net: string; hairpin?: boolean },
) {
  const host = await lab.host(place.label);
  const [address] = (await outside.attach(host, "out0", place.number)) as [string];
  const uplink = new PrivateNetwork(await lab.segment("lan"), place.net);
  await uplink.attach(host, "in0", 1);
  const { nat, udpStreamTimeoutSeconds, dropsIn = [], dropsOut = [] } = router;
  if (nat === "proxy") return { address, uplink, proxyUrl: (await startTinyproxy(host, uplink.address(1))).url };
  await makeRouter(host, {
    nat,
    outside: "out0",
    inside: "in0",
    insideHost: uplink.address(2),
    ...(udpStreamTimeoutSeconds === undefined ? {} : { udpStreamTimeoutSeconds }),
    ...(place.hairpin === true ? { hairpinAddress: address } : {}),
  });
  const drops = [
    ...dropsOut.map((match) => `iifname "in0" ${match} drop;`),
    ...dropsIn.map((match) => `iifname "out0" ${match} drop;`),
  ];
  const hook = "type filter hook forward priority filter - 1;";
  await host.must("nft", `table inet wall { chain forward { ${hook} ${drops.join(" ")} }; }`);
  return { address, uplink };
}
