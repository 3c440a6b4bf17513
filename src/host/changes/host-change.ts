import { z } from "zod";
import { firewallRuleSchema } from "../firewall/firewall-rules.ts";
import { type FileState, fileChangeSchema } from "./file-change.ts";
import { resolvconfRecordSchema, resolvedLinkSchema } from "./resolver-change.ts";

/**
 * Who makes changes to this host. What an owner made is taken back together, newest first. `guard` keeps traffic from leaving
 * around a chosen exit: it alone stays when the daemon ends, until `mesh exit use off`, `mesh down` or `mesh undo`.
 */
export const CHANGE_OWNERS = ["interface", "guard", "exit-use", "exit-offer", "subnet-routes", "dns"] as const;
export type ChangeOwner = (typeof CHANGE_OWNERS)[number];

/** Whether it stays in force when the daemon ends or is killed. */
export function outlivesDaemon(owner: ChangeOwner): boolean {
  return owner === "guard";
}

/** The routing protocol of our routes and rules (`ip route … proto`), by which they are told from others' (rtnetlink(7)). */
export const ROUTE_PROTOCOL = 134;

/** The kernel's number of the main routing table (`/etc/iproute2/rt_tables`). */
export const MAIN_TABLE = 254;

/**
 * Interfaces are known by name *and* index within one boot: after a crash our interface is gone, and another program may have
 * made one of the same name.
 */
const interfaceIdentitySchema = z.object({ name: z.string(), index: z.number().int() });
export type InterfaceIdentity = z.output<typeof interfaceIdentitySchema>;

const familySchema = z.enum(["ipv4", "ipv6"]);

const addressSchema = z.object({
  kind: z.literal("address"),
  interface: interfaceIdentitySchema,
  /** `ADDRESS/BITS`. */
  address: z.string(),
});

const routeSchema = z.object({
  kind: z.literal("route"),
  /** `ADDRESS/BITS`. */
  destination: z.string(),
  table: z.number().int().min(1),
  /** Null: a route that leads nowhere (`unreachable`), and so stands without a device. */
  interface: interfaceIdentitySchema.nullable(),
  /** The lower one is tried first. Null: the kernel's own. */
  metric: z.number().int().min(0).max(0xffff_ffff).nullable(),
});
export type HostRouteChange = z.output<typeof routeSchema>;

const ruleSchema = z.object({
  kind: z.literal("rule"),
  family: familySchema,
  priority: z.number().int().min(1),
  table: z.number().int().min(1),
  /** What else it says, in the words of `ip rule` (`not fwmark 0x2086`, `suppress_prefixlength 0`). */
  words: z.array(z.string()),
});
export type HostRuleChange = z.output<typeof ruleSchema>;

const nftTableSchema = z.object({
  kind: z.literal("nft-table"),
  family: z.enum(["inet", "ip", "ip6"]),
  name: z.string(),
});
export type NftTableChange = z.output<typeof nftTableSchema>;

const sysctlSchema = z.object({
  kind: z.literal("sysctl"),
  /** `net.ipv4.ip_forward`; an interface's name in it may have dots, which stand as slashes. */
  key: z.string(),
  before: z.string(),
  /** The same as before: only kept, for another change alters it as well. */
  after: z.string(),
});

const firewallRuleChangeSchema = firewallRuleSchema.extend({ kind: z.literal("firewall-rule") });

/** One change to the host, with all that it takes to make it (but for the text of a table) and to take it back. */
export const hostChangeSchema = z.discriminatedUnion("kind", [
  addressSchema,
  routeSchema,
  ruleSchema,
  nftTableSchema,
  sysctlSchema,
  firewallRuleChangeSchema,
  fileChangeSchema,
  resolvedLinkSchema,
  resolvconfRecordSchema,
]);
export type HostChange = z.output<typeof hostChangeSchema>;

/** A change as the journal knows it. */
export const ownedChangeSchema = z.object({
  owner: z.enum(CHANGE_OWNERS),
  /** `/proc/sys/kernel/random/boot_id`: what the kernel held in an earlier boot is gone. */
  boot: z.string(),
  change: hostChangeSchema,
});
export type OwnedChange = z.output<typeof ownedChangeSchema>;

/** Whether it may be in force: a reboot ends all but what is on the disk. */
export function isOfBoot({ boot, change }: OwnedChange, currentBoot: string): boolean {
  return boot === currentBoot || change.kind === "file";
}

/** In words for people, one line. */
export function describeChange(change: HostChange): string {
  switch (change.kind) {
    case "address":
      return `address ${change.address} on ${change.interface.name}`;
    case "route": {
      const where = change.interface === null ? "unreachable" : `to ${change.interface.name}`;
      return `route ${change.destination} ${where}${change.table === MAIN_TABLE ? "" : ` in table ${change.table}`}`;
    }
    case "rule": {
      const words = change.words.length === 0 ? "" : `${change.words.join(" ")} `;
      return `${change.family} rule ${change.priority}: ${words}lookup ${change.table}`;
    }
    case "nft-table":
      return `nftables table ${change.family} ${change.name}`;
    case "sysctl":
      return `${change.key} = ${change.after} (was ${change.before})`;
    case "firewall-rule": {
      const table = [change.family, change.table].filter((word) => word !== "").join(" ");
      return `${change.tool} rule in table ${table}, chain ${change.chain}: ${change.words.join(" ")}`;
    }
    case "file":
      return `${change.path} is mesh's (was ${describeState(change.before)})`;
    case "resolved-link":
      return `systemd-resolved asks ${change.servers.join(", ")} for ${change.domains.join(" ")}`;
    case "resolvconf-record":
      return `resolvconf has a record ${change.record}`;
  }
}

function describeState(state: FileState): string {
  if (state.is === "nothing") return "not there";
  return state.is === "link" ? `a link to ${state.target}` : "another file";
}
