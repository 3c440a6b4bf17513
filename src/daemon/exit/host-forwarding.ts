import type { IpFamily } from "../../api/primitives.ts";
import { MeshError } from "../../base/errors.ts";
import { adviceOn, placeIn, rulesAt } from "../../exit/foreign-firewall.ts";
import { type ForwardingOptions, forwardRules, forwardTable } from "../../exit/forward-table.ts";
import type { Forwarding } from "../../exit/forwarded.ts";
import type { HostChanges } from "../../host/changes/host-changes.ts";
import type { FirewallRule } from "../../host/firewall/firewall-rules.ts";
import type { ExplainedPacket } from "../../host/firewall/nft-match.ts";
import { addressVersion, formatAddress } from "../../packet/address.ts";
import { hostAddresses, parseCidr } from "../../packet/cidr.ts";

const OWNER = "exit-offer";

/** Of the internet, to ask the host's routes and firewall about. Nothing is sent there. */
const SOMEWHERE: Readonly<Record<IpFamily, string>> = { ipv4: "1.1.1.1", ipv6: "2606:4700:4700::1111" };

type HostForwardingOptions = Omit<ForwardingOptions, keyof Forwarding | "spared"> & {
  /** Of this machine in the mesh, by the families that it has there. */
  readonly addresses: readonly string[];
};

/** What the host does for an exit and for networks behind it: it forwards, it translates, and its other firewalls let that be. */
export class HostForwarding {
  readonly #options: HostForwardingOptions;
  readonly #changes: HostChanges;

  constructor(options: HostForwardingOptions, changes: HostChanges) {
    this.#options = options;
    this.#changes = changes;
  }

  /**
   * Has the host forward this and no more; of nothing, all is as it was before.
   * @param spared where to an exit does not lead
   * @returns what stands in the way all the same, one line each
   * @throws MeshError `missing-tool`, `missing-capability`, `host-change-failed`
   */
  async settle(forwarding: Forwarding, spared: readonly string[]): Promise<readonly string[]> {
    if (forwarding.exit.length === 0 && forwarding.routes.length === 0) {
      await this.#changes.takeBackAll(OWNER);
      return [];
    }
    await this.#filter({ ...this.#options, ...forwarding, spared });
    const families = new Set([...forwarding.exit, ...forwarding.routes.map(familyOf)]);
    if (families.has("ipv4")) await this.#forwardIpv4();
    if (families.has("ipv6")) await this.#forwardIpv6();
    const targets = [...forwarding.exit.map((family) => SOMEWHERE[family]), ...forwarding.routes.map(firstHost)];
    const problems = new Set<string>();
    for (const target of targets) for (const problem of await this.#makeWay(target)) problems.add(problem);
    return [...problems];
  }

  async #filter(options: ForwardingOptions): Promise<void> {
    const { firewallRules } = this.#changes.tools;
    const name = `mesh-exit-${options.interfaceName}`;
    if (await firewallRules.has("nft")) {
      await this.#changes.nftTable(OWNER, { family: "inet", name }, forwardTable(options));
      return;
    }
    if (!(await firewallRules.has("iptables"))) {
      throw new MeshError("missing-tool", "neither `nft` nor `iptables` is here, and a host that forwards needs one", {
        hint: "Install the package nftables.",
      });
    }
    const hasIptables6 = await firewallRules.has("ip6tables");
    const wanted = forwardRules(options)
      .filter(({ tool }) => tool === "iptables" || hasIptables6)
      .map((rule, i): FirewallRule => ({ ...rule, words: [...rule.words], family: "", tag: `${name}-${i}` }));
    // In reverse: each is put at the head.
    await this.#changes.takeBackAll(OWNER);
    for (const rule of wanted.toReversed()) await this.#changes.make(OWNER, { ...rule, kind: "firewall-rule" });
  }

  /** The kernel's switch for all of IPv4 sets others with it (`inet_forward_change`). */
  async #forwardIpv4(): Promise<void> {
    if (await this.#isSet("net.ipv4.ip_forward")) return;
    for (const key of ["net.ipv4.conf.default.forwarding", "net.ipv4.conf.all.accept_redirects"])
      await this.#changes.keepSysctl(OWNER, key);
    await this.#keepForwarding("ipv4");
    await this.#changes.sysctl(OWNER, "net.ipv4.ip_forward", "1");
  }

  /** A host that forwards hears router advertisements only where it is told to all the same (`accept_ra` 2). */
  async #forwardIpv6(): Promise<void> {
    if (await this.#isSet("net.ipv6.conf.all.forwarding")) return;
    await this.#changes.keepSysctl(OWNER, "net.ipv6.conf.default.forwarding");
    await this.#keepForwarding("ipv6");
    for (const name of await this.#otherInterfaces()) {
      const key = `net.ipv6.conf.${name}.accept_ra`;
      if (await this.#isSet(key)) await this.#changes.sysctl(OWNER, key, "2");
    }
    await this.#changes.sysctl(OWNER, "net.ipv6.conf.all.forwarding", "1");
  }

  /** Of interfaces that forward already: taking the switch for all back would take it from them. */
  async #keepForwarding(family: IpFamily): Promise<void> {
    for (const name of await this.#otherInterfaces()) {
      const key = `net.${family}.conf.${name}.forwarding`;
      if (await this.#isSet(key)) await this.#changes.keepSysctl(OWNER, key);
    }
  }

  async #isSet(key: string): Promise<boolean> {
    return (await this.#changes.tools.sysctls.read(key)) === "1";
  }

  async #otherInterfaces(): Promise<readonly string[]> {
    const links = await this.#changes.tools.ipRoute.links();
    const names = links.map(({ name }) => name).filter((name) => name !== this.#options.interfaceName);
    return names.map((name) => name.replaceAll(".", "/"));
  }

  /** Others' firewalls: where they leave a place for rules like ours, these are put there; else it is said what blocks. */
  async #makeWay(target: string): Promise<readonly string[]> {
    const { ipRoute, firewall } = this.#changes.tools;
    const { interfaceName, addresses } = this.#options;
    const source = addresses.find((address) => address.includes(":") === target.includes(":"));
    const out = await ipRoute.routeTo(target).catch(() => undefined);
    if (source === undefined || out?.interfaceName === undefined) return [];
    const family: 4 | 6 = target.includes(":") ? 6 : 4;
    const there = {
      isInbound: true,
      interfaceName,
      forwardedTo: out.interfaceName,
      family,
      source,
      destination: target,
    };
    const back = { ...there, interfaceName: out.interfaceName, forwardedTo: interfaceName };
    const packets: ExplainedPacket[] = [
      { ...there, protocol: "tcp", port: 443 },
      { ...back, source: target, destination: source, protocol: "tcp", port: 50_000, connection: "established" },
    ];
    const problems: string[] = [];
    for (const packet of packets) {
      const problem = await this.#makeWayFor(packet);
      if (problem !== undefined) problems.push(problem);
    }
    firewall.forget();
    return problems;
  }

  async #makeWayFor(packet: ExplainedPacket): Promise<string | undefined> {
    const { firewall, firewallRules } = this.#changes.tools;
    const { interfaceName } = this.#options;
    firewall.forget();
    const before = await firewall.verdictOn(packet);
    if (before.state === "unreadable") return undefined;
    const by = before.by;
    if (by === undefined) return undefined;
    const place = placeIn(by, await firewall.chains());
    if (place !== undefined) {
      const tool = place.family === "ip" ? "iptables" : "ip6tables";
      for (const rule of rulesAt(place, interfaceName, await firewallRules.has(tool))) {
        const change = { ...rule, kind: "firewall-rule" } as const;
        // It may have been there, and gone with a reload of that firewall.
        await this.#changes.takeBack(OWNER, change);
        await this.#changes.make(OWNER, change);
      }
      firewall.forget();
    }
    const after = await firewall.verdictOn(packet);
    if (after.state !== "drops") return undefined;
    const what = packet.family === 4 ? "IPv4" : "IPv6";
    return `this host's firewall stops what is forwarded for peers (${what}): ${after.detail}; ${adviceOn(by, interfaceName)}`;
  }
}

function familyOf(network: string): IpFamily {
  return addressVersion(parseCidr(network).address) === 4 ? "ipv4" : "ipv6";
}

function firstHost(network: string): string {
  const [first] = hostAddresses(parseCidr(network));
  return formatAddress(first!);
}
