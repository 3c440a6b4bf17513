import { isDeepStrictEqual } from "node:util";
import type { IpFamily } from "../../api/primitives.ts";
import { MeshError } from "../../base/errors.ts";
import { adviceOn, placeIn, rulesAt } from "../../exit/foreign-firewall.ts";
import { type ForwardingOptions, forwardRules, forwardTable } from "../../exit/forward-table.ts";
import type { Forwarding } from "../../exit/forwarded.ts";
import type { HostChange } from "../../host/changes/host-change.ts";
import type { HostChanges } from "../../host/changes/host-changes.ts";
import type { ExplainedPacket } from "../../host/firewall/nft-match.ts";
import { addressVersion, formatAddress } from "../../packet/address.ts";
import { hostAddresses, parseCidr } from "../../packet/cidr.ts";

const OWNER = "exit-offer";

type RuleChange = Extract<HostChange, { kind: "firewall-rule" }>;

/** Of the internet, to ask the host's routes and firewall about. Nothing is sent there. */
const SOMEWHERE: Readonly<Record<IpFamily, string>> = { ipv4: "1.1.1.1", ipv6: "2606:4700:4700::1111" };

/** Where to an exit does not lead, and whose address packets bear. */
type Manner = Pick<ForwardingOptions, "spared" | "snatRoutes">;

type HostForwardingOptions = Omit<ForwardingOptions, keyof Forwarding | keyof Manner> & {
  /** Of this machine in the mesh, by the families that it has there. */
  readonly addresses: readonly string[];
};

/** What the host does for an exit and for networks behind it: it forwards, it translates, and its other firewalls let that be. */
export class HostForwarding {
  readonly #options: HostForwardingOptions;
  readonly #changes: HostChanges;
  /** What is in force. */
  #forwarding: Forwarding = { exit: [], routes: [] };
  #manner: Manner = { spared: [], snatRoutes: true };

  constructor(options: HostForwardingOptions, changes: HostChanges) {
    this.#options = options;
    this.#changes = changes;
  }

  /**
   * Has the host forward this and no more; of nothing, all is as it was before.
   * @returns what stands in the way all the same, one line each
   * @throws MeshError `missing-tool`, `missing-capability`, `host-change-failed`
   */
  async settle(forwarding: Forwarding, manner: Manner): Promise<readonly string[]> {
    this.#forwarding = forwarding;
    this.#manner = manner;
    if (forwarding.exit.length === 0 && forwarding.routes.length === 0) {
      await this.#changes.takeBackAll(OWNER);
      return [];
    }
    await this.#filter({ ...this.#options, ...forwarding, ...manner });
    const families = new Set([...forwarding.exit, ...forwarding.routes.map(familyOf)]);
    if (families.has("ipv4")) await this.#forwardIpv4();
    if (families.has("ipv6")) await this.#forwardIpv6();
    await this.#crossOut(await this.#missingRules());
    return this.#makeWays();
  }

  /**
   * Somebody has changed this host's firewall: puts back what is ours, if it is not there as it was.
   * @returns as `settle`
   * @throws MeshError as `settle`
   */
  async restore(): Promise<readonly string[]> {
    const missing = await this.#missingRules();
    if (missing.length === 0 && (await this.#isTableWhole())) return this.#makeWays();
    await this.#crossOut(missing);
    return this.settle(this.#forwarding, this.#manner);
  }

  async #isTableWhole(): Promise<boolean> {
    for (const { owner, change } of this.#changes.list()) {
      if (owner !== OWNER || change.kind !== "nft-table") continue;
      if (!(await this.#changes.tools.nft.isAsPut(change.family, change.name))) return false;
    }
    return true;
  }

  #rules(): RuleChange[] {
    return this.#changes.list().flatMap(({ owner, change }) => {
      return owner === OWNER && change.kind === "firewall-rule" ? [change] : [];
    });
  }

  #missingRules(): Promise<RuleChange[]> {
    return this.#changes.tools.firewallRules.missing(this.#rules());
  }

  /** Also where the place they were in has gone. */
  async #crossOut(rules: readonly RuleChange[]): Promise<void> {
    for (const rule of rules) await this.#changes.takeBack(OWNER, rule);
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
      .map((rule, i): RuleChange => {
        return { ...rule, words: [...rule.words], family: "", tag: `${name}-${i}`, kind: "firewall-rule" };
      });
    const inForce = this.#rules().filter(({ tag }) => /-\d+$/.test(tag));
    if (isDeepStrictEqual(inForce, wanted.toReversed()) && (await firewallRules.missing(wanted)).length === 0) return;
    // In reverse: each is put at the head.
    await this.#changes.takeBackAll(OWNER);
    for (const rule of wanted.toReversed()) await this.#changes.make(OWNER, rule);
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
  async #makeWays(): Promise<readonly string[]> {
    const { exit, routes } = this.#forwarding;
    const problems = new Set<string>();
    this.#changes.tools.firewall.forget();
    for (const target of [...exit.map((family) => SOMEWHERE[family]), ...routes.map(firstHost)]) {
      for (const packet of await this.#packetsTo(target)) {
        const problem = await this.#makeWayFor(packet);
        if (problem !== undefined) problems.add(problem);
      }
    }
    this.#changes.tools.firewall.forget();
    return [...problems];
  }

  /** What is forwarded there, and what comes back. */
  async #packetsTo(target: string): Promise<ExplainedPacket[]> {
    const { ipRoute } = this.#changes.tools;
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
    return [
      { ...there, protocol: "tcp", port: 443 },
      { ...back, source: target, destination: source, protocol: "tcp", port: 50_000, connection: "established" },
    ];
  }

  async #makeWayFor(packet: ExplainedPacket): Promise<string | undefined> {
    const { firewall, firewallRules } = this.#changes.tools;
    const { interfaceName } = this.#options;
    const before = await firewall.verdictOn(packet);
    if (before.state === "unreadable" || before.by === undefined) return undefined;
    const { by } = before;
    const place = placeIn(by, await firewall.chains(by.backend));
    if (place !== undefined) {
      const iptables = await firewallRules.iptables(place.family, by.backend);
      for (const rule of rulesAt(place, interfaceName, iptables)) {
        await this.#changes.make(OWNER, { ...rule, kind: "firewall-rule" });
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
