import { z } from "zod";
import { errnoOf, MeshError } from "../base/errors.ts";
import { type HostRouteChange, type HostRuleChange, MAIN_TABLE, ROUTE_PROTOCOL } from "./changes/host-change.ts";
import { type CommandResult, type CommandRunner, systemCommandRunner } from "./command.ts";

export interface HostLink {
  readonly name: string;
  readonly index: number;
  readonly mtu: number;
  readonly isUp: boolean;
}

export interface HostAddress {
  readonly interfaceName: string;
  /** `ADDRESS/BITS`, host bits kept. */
  readonly address: string;
}

export interface HostRoute {
  /** `ADDRESS/BITS`; a default route is `0.0.0.0/0` or `::/0`. */
  readonly destination: string;
  /** Undefined for routes that lead nowhere (unreachable, blackhole, prohibit). */
  readonly interfaceName: string | undefined;
}

const linkSchema = z.object({
  ifname: z.string(),
  ifindex: z.number(),
  mtu: z.number(),
  flags: z.array(z.string()),
});
const addressSchema = z.object({
  ifname: z.string().optional(),
  addr_info: z.array(z.object({ local: z.string(), prefixlen: z.number() }).partial()).default([]),
});
const routeSchema = z.object({
  dst: z.string(),
  dev: z.string().optional(),
  nexthops: z.array(z.object({ dev: z.string().optional() })).default([]),
});

const chosenRouteSchema = z.object({
  dev: z.string().optional(),
  prefsrc: z.string().optional(),
  table: z.string().optional(),
});

/** The way of a packet from this host. */
export interface ChosenRoute {
  readonly interfaceName: string | undefined;
  /** The source address that it gets. */
  readonly source: string | undefined;
  /** By name or number, where it is none of the usual ones. */
  readonly table: string | undefined;
}

/** An IPv6 address was refused because the host has IPv6 switched off, for the interface or altogether. */
export class Ipv6DisabledError extends Error {
  override readonly name = "Ipv6DisabledError";
}

/** What was to be added is there already. */
export class AlreadyThereError extends MeshError {}

// Of the kernel with extended acknowledgements, of older ones (EACCES), of one built without IPv6 (EOPNOTSUPP).
const IPV6_DISABLED = /IPv6 is disabled|Permission denied|not supported/;

/** Links, addresses and routes of this network namespace, by iproute2. */
export class IpRoute {
  readonly #run: CommandRunner;

  constructor(run: CommandRunner = systemCommandRunner) {
    this.#run = run;
  }

  async links(): Promise<HostLink[]> {
    const links = await this.#query(linkSchema, ["link", "show"]);
    return links.map((link) => ({
      name: link.ifname,
      index: link.ifindex,
      mtu: link.mtu,
      isUp: link.flags.includes("UP"),
    }));
  }

  async link(name: string): Promise<HostLink | undefined> {
    return (await this.links()).find((link) => link.name === name);
  }

  /** Names of the bridges. */
  async bridges(): Promise<string[]> {
    return (await this.#query(linkSchema, ["link", "show", "type", "bridge"])).map(({ ifname }) => ifname);
  }

  /** IPv4 and IPv6. */
  async addresses(): Promise<HostAddress[]> {
    const links = await this.#query(addressSchema, ["address", "show"]);
    return links.flatMap(({ ifname, addr_info }) =>
      addr_info.flatMap(({ local, prefixlen }) =>
        ifname === undefined || local === undefined || prefixlen === undefined
          ? []
          : [{ interfaceName: ifname, address: `${local}/${prefixlen}` }],
      ),
    );
  }

  /** The main table, IPv4 and IPv6. */
  async routes(): Promise<HostRoute[]> {
    const v4 = await this.#query(routeSchema, ["-4", "route", "show", "table", "main"]);
    const v6 = await this.#query(routeSchema, ["-6", "route", "show", "table", "main"]);
    return [...v4.map((route) => hostRoute(route, 32)), ...v6.map((route) => hostRoute(route, 128))];
  }

  /**
   * The way that a packet to `address` takes from this host.
   * @throws MeshError `host-change-failed` saying that there is none
   */
  async routeTo(address: string): Promise<ChosenRoute> {
    const [route] = await this.#query(chosenRouteSchema, [family(address), "route", "get", address]);
    return { interfaceName: route?.dev, source: route?.prefsrc, table: route?.table };
  }

  /** @param mtuBytes below 1280 Linux takes the IPv6 addresses away from the interface */
  async setMtu(interfaceName: string, mtuBytes: number): Promise<void> {
    await this.#change(["link", "set", "dev", interfaceName, "mtu", String(mtuBytes)]);
  }

  async setUp(interfaceName: string): Promise<void> {
    await this.#change(["link", "set", "dev", interfaceName, "up"]);
  }

  /**
   * `address`: `ADDRESS/BITS`. Usable at once: an IPv6 address skips the search for a double.
   * @throws Ipv6DisabledError
   */
  async addAddress(interfaceName: string, address: string): Promise<void> {
    const isV6 = address.includes(":");
    const args = ["address", "add", address, "dev", interfaceName, ...(isV6 ? ["nodad"] : [])];
    const result = await this.#ip(args);
    if (result.status === 0) return;
    if (isV6 && IPV6_DISABLED.test(result.stderr)) throw new Ipv6DisabledError(result.stderr.trim());
    throw failureOf(args, result);
  }

  /** One that is not there is as good as removed; so below. */
  async removeAddress(interfaceName: string, address: string): Promise<void> {
    await this.#remove(["address", "delete", address, "dev", interfaceName], async () =>
      (await this.addresses()).some((each) => each.interfaceName === interfaceName && each.address === address),
    );
  }

  async addRoute(route: HostRouteChange): Promise<void> {
    await this.#change([family(route.destination), "route", "add", ...routeWords(route)]);
  }

  async removeRoute(route: HostRouteChange): Promise<void> {
    const args = [family(route.destination), "route", "delete", ...routeWords(route)];
    // The answers to a removal of what is gone differ by kernel, family and version; so below.
    await this.#remove(args, () => this.hasRoute(route));
  }

  async hasRoute(route: HostRouteChange): Promise<boolean> {
    const { status, stdout } = await this.#ip(showRoute(route));
    // A table that nothing is in is not there (ENOENT) in some versions.
    return status === 0 && stdout.trim() !== "";
  }

  /** Policy routing: which table decides on a packet. */
  async addRule(rule: HostRuleChange): Promise<void> {
    await this.#change([FAMILY_FLAG[rule.family], "rule", "add", ...ruleWords(rule)]);
  }

  async removeRule(rule: HostRuleChange): Promise<void> {
    await this.#remove([FAMILY_FLAG[rule.family], "rule", "delete", ...ruleWords(rule)], () => this.hasRule(rule));
  }

  async hasRule({ family, priority, table }: HostRuleChange): Promise<boolean> {
    const { stdout } = await this.#change([FAMILY_FLAG[family], "rule", "show", "priority", String(priority)]);
    const name = table === MAIN_TABLE ? "main" : table;
    return new RegExp(`lookup ${name}( suppress_prefixlength \\d+)? proto ${ROUTE_PROTOCOL}`).test(stdout);
  }

  async #query<Schema extends z.ZodType>(schema: Schema, args: readonly string[]): Promise<z.output<Schema>[]> {
    const { stdout } = await this.#change(["-j", ...args]);
    // Nothing to list prints nothing in some versions.
    return z.array(schema).parse(stdout.trim() === "" ? [] : JSON.parse(stdout));
  }

  /** Looking whether it is still there is surer than matching what the program says. */
  async #remove(args: readonly string[], isStillThere: () => Promise<boolean>): Promise<void> {
    const result = await this.#ip(args);
    if (result.status !== 0 && (await isStillThere())) throw failureOf(args, result);
  }

  async #change(args: readonly string[]): Promise<CommandResult> {
    const result = await this.#ip(args);
    if (result.status !== 0) throw failureOf(args, result);
    return result;
  }

  async #ip(args: readonly string[]): Promise<CommandResult> {
    try {
      return await this.#run("ip", args);
    } catch (failure) {
      if (errnoOf(failure) !== "ENOENT") throw failure;
      throw new MeshError("missing-tool", "the program `ip` is missing", {
        hint: "Install the package iproute2.",
        cause: failure,
      });
    }
  }
}

function hostRoute(route: z.output<typeof routeSchema>, hostBits: number): HostRoute {
  const bare = route.dst === "default" ? (hostBits === 32 ? "0.0.0.0/0" : "::/0") : route.dst;
  return {
    destination: bare.includes("/") ? bare : `${bare}/${hostBits}`,
    interfaceName: route.dev ?? route.nexthops.find((hop) => hop.dev !== undefined)?.dev,
  };
}

const FAMILY_FLAG = { ipv4: "-4", ipv6: "-6" } as const;

function family(destination: string): "-4" | "-6" {
  return FAMILY_FLAG[destination.includes(":") ? "ipv6" : "ipv4"];
}

function routeWords({ destination, table, interface: device, metric }: HostRouteChange): string[] {
  return [
    ...(device === null ? ["unreachable", destination] : [destination, "dev", device.name]),
    ...["table", String(table), "proto", String(ROUTE_PROTOCOL)],
    ...(metric === null ? [] : ["metric", String(metric)]),
  ];
}

function showRoute({ destination, table, interface: device, metric }: HostRouteChange): string[] {
  const words = [family(destination), "route", "show", "exact", destination, "table", String(table)];
  if (metric !== null) words.push("metric", String(metric));
  return device === null ? [...words, "type", "unreachable"] : [...words, "dev", device.name];
}

function ruleWords({ priority, table, words }: HostRuleChange): string[] {
  return [...words, "lookup", String(table), "priority", String(priority), "protocol", String(ROUTE_PROTOCOL)];
}

function failureOf(args: readonly string[], result: CommandResult): MeshError {
  const said = result.stderr.trim().split("\n").at(-1) ?? "";
  const command = `ip ${args.join(" ")}`;
  if (/File exists|already assigned/.test(said))
    return new AlreadyThereError("host-change-failed", `\`${command}\` failed: ${said}`);
  if (/Operation not permitted/.test(said)) {
    return new MeshError("missing-capability", `\`${command}\` was refused: ${said}`);
  }
  return new MeshError("host-change-failed", `\`${command}\` failed: ${said || `status ${result.status}`}`);
}
