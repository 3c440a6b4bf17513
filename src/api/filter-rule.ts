import { z } from "zod";
import { formatCidr, parseCidr } from "../packet/cidr.ts";
import { nameSchema } from "./primitives.ts";

/**
 * A rule of the packet filter, as the configuration file, the command line, the local API and the coordinator's map all have
 * it (`docs/filter.md` says what rules mean).
 */

export const FILTER_LAYERS = ["coordinator", "config", "local", "service"] as const;
export const filterLayerSchema = z.enum(FILTER_LAYERS);
export type FilterLayer = z.infer<typeof filterLayerSchema>;

export const filterActionSchema = z.enum(["allow", "deny", "reject"], "allow, deny or reject");
export type FilterAction = z.infer<typeof filterActionSchema>;

/** Seen from this machine: who starts the connection. */
export const filterDirectionSchema = z.enum(["in", "out"], "in or out");
export type FilterDirection = z.infer<typeof filterDirectionSchema>;

export const filterProtocolSchema = z.enum(["tcp,udp", "tcp", "udp", "icmp", "any"], "tcp, udp, icmp or any");
export type FilterProtocol = z.infer<typeof filterProtocolSchema>;

/** What happens to a new connection that no rule speaks of. */
export const filterDefaultSchema = z.enum(["allow", "deny"], "allow or deny");
export type FilterDefault = z.infer<typeof filterDefaultSchema>;

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

const MAX_PORT_RANGES = 16;

/** Null for `any`; undefined for what is no list of ports. Sorted, ranges that touch made one. */
export function parsePorts(text: string): readonly PortRange[] | null | undefined {
  if (text === "any") return null;
  const ranges: PortRange[] = [];
  for (const word of text.split(",")) {
    const [, firstText, lastText = firstText] = /^([1-9]\d{0,4})(?:-([1-9]\d{0,4}))?$/.exec(word.trim()) ?? [];
    const range = { first: Number(firstText), last: Number(lastText) };
    if (!(range.first <= range.last && range.last <= 65_535)) return undefined;
    ranges.push(range);
  }
  if (ranges.length > MAX_PORT_RANGES) return undefined;
  const merged: PortRange[] = [];
  for (const range of ranges.sort((a, b) => a.first - b.first)) {
    const previous = merged.at(-1);
    if (previous === undefined || range.first > previous.last + 1) merged.push(range);
    else merged[merged.length - 1] = { first: previous.first, last: Math.max(previous.last, range.last) };
  }
  return merged;
}

function formatPorts(ranges: readonly PortRange[] | null): string {
  if (ranges === null) return "any";
  return ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(",");
}

/** `22`, `80-90`, `22,80-90` or `any`: ports of the end that the connection is made to. */
const portsSchema = z
  .string()
  .max(200)
  .transform((text, context) => {
    const ranges = parsePorts(text);
    if (ranges !== undefined) return formatPorts(ranges);
    const message = `a port from 1 to 65535, a range such as 80-90, up to ${MAX_PORT_RANGES} of them with commas, or any`;
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });

/** A CIDR that says its addresses, or the name of one. */
const cidrWordSchema = z
  .string()
  .max(63)
  .transform((text, context) => {
    if (nameSchema.safeParse(text).success) return text;
    try {
      return formatCidr(parseCidr(text));
    } catch (failure) {
      context.addIssue({ code: "custom", message: failure instanceof Error ? failure.message : String(failure) });
      return z.NEVER;
    }
  });

const SELECTOR_WORDS = { peer: nameSchema, tag: nameSchema, cidr: cidrWordSchema } as const;
export type SelectorKind = keyof typeof SELECTOR_WORDS;

/** Which machines are meant: `any`, `peer:NAME`, `tag:NAME`, `cidr:NAME` or `cidr:10.0.0.0/8`. */
const selectorSchema = z
  .string()
  .max(70)
  .transform((text, context) => {
    if (text === "any") return text;
    const [, kind, word] = /^(peer|tag|cidr):(.*)$/s.exec(text) ?? [];
    const parsed = SELECTOR_WORDS[kind as SelectorKind]?.safeParse(word);
    if (parsed?.success) return `${kind}:${parsed.data}`;
    const message = parsed?.error.issues[0]?.message ?? "any, peer:NAME, tag:NAME or cidr:CIDR";
    context.addIssue({ code: "custom", message });
    return z.NEVER;
  });

/** Undefined for `any`. */
export function parseSelector(text: string): { readonly kind: SelectorKind; readonly word: string } | undefined {
  const colon = text.indexOf(":");
  return colon < 0 ? undefined : { kind: text.slice(0, colon) as SelectorKind, word: text.slice(colon + 1) };
}

const commentSchema = z
  .string()
  .max(200, "a comment of 200 characters at most")
  .refine((text) => !/\p{Cc}/u.test(text), "a comment without control characters");

export const filterRuleShape = {
  action: filterActionSchema,
  direction: filterDirectionSchema,
  protocol: filterProtocolSchema,
  ports: portsSchema,
  source: selectorSchema,
  destination: selectorSchema,
  comment: commentSchema.nullable(),
};

const hasPortsWhereTheyAre = ({ ports, protocol }: { readonly ports: string; readonly protocol: string }) =>
  ports === "any" || protocol === "tcp" || protocol === "udp" || protocol === "tcp,udp";
const NO_PORTS_THERE = { error: "only tcp and udp have ports", path: ["port"] };

export const filterRuleSchema = z.strictObject(filterRuleShape).refine(hasPortsWhereTheyAre, NO_PORTS_THERE);
export type FilterRule = z.output<typeof filterRuleSchema>;

const { direction: _, ...networkRuleShape } = filterRuleShape;

export { networkRuleShape };

/** A rule of the whole network: it has no direction, since it holds at both ends of a connection. */
export const networkRuleSchema = z.strictObject(networkRuleShape).refine(hasPortsWhereTheyAre, NO_PORTS_THERE);
export type NetworkRule = z.output<typeof networkRuleSchema>;

export const filterIdSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,63}$/, "the id of a rule, as in `mesh filter list`");

const MAX_TTL_SECONDS = 10 * 366 * 86_400;

/** How long a rule holds; null: until it is removed. */
export const filterTtlSchema = z.number().int().min(1).max(MAX_TTL_SECONDS, "ten years at most").nullable();

const writtenPortsSchema = z
  .union([z.number().transform(String), z.string()], "a port, a range or any")
  .pipe(portsSchema);

const writtenSelectors = {
  source_peer: nameSchema.optional(),
  source_cidr: cidrWordSchema.optional(),
  source_tag: nameSchema.optional(),
  dest_peer: nameSchema.optional(),
  dest_cidr: cidrWordSchema.optional(),
  dest_tag: nameSchema.optional(),
};
type WrittenSelectors = z.output<z.ZodObject<typeof writtenSelectors>>;

function selectorsOf(written: WrittenSelectors, end: "source" | "dest"): string[] {
  return (["peer", "cidr", "tag"] as const).flatMap((kind) => {
    const word = written[`${end}_${kind}`];
    return word === undefined ? [] : [`${kind}:${word}`];
  });
}

const writtenShape = {
  port: writtenPortsSchema.optional(),
  protocol: filterProtocolSchema.optional(),
  direction: filterDirectionSchema.optional(),
  ...writtenSelectors,
  comment: commentSchema.optional(),
};

const hasOneOf = (end: "source" | "dest") => (written: WrittenSelectors) => selectorsOf(written, end).length <= 1;
const oneOf = (end: "source" | "dest") => ({
  error: `one of ${end}_peer, ${end}_cidr and ${end}_tag`,
  path: [`${end}_peer`],
});

/** A rule as people write it, in the configuration file or as flags. */
export const writtenFilterRuleSchema = z
  .strictObject({ ...writtenShape, action: filterActionSchema })
  .refine(hasOneOf("source"), oneOf("source"))
  .refine(hasOneOf("dest"), oneOf("dest"))
  .transform(
    (written): FilterRule => ({
      action: written.action,
      direction: written.direction ?? "in",
      protocol: written.protocol ?? "tcp,udp",
      ports: written.port ?? "any",
      source: selectorsOf(written, "source")[0] ?? "any",
      destination: selectorsOf(written, "dest")[0] ?? "any",
      comment: written.comment ?? null,
    }),
  )
  .refine(hasPortsWhereTheyAre, NO_PORTS_THERE);

/** What is known of a rule that is looked for: only what is said counts. */
export const writtenFilterMatchSchema = z
  .strictObject({ ...writtenShape, action: filterActionSchema.optional() })
  .refine(hasOneOf("source"), oneOf("source"))
  .refine(hasOneOf("dest"), oneOf("dest"))
  .transform((written): Partial<FilterRule> => {
    const source = selectorsOf(written, "source")[0];
    const destination = selectorsOf(written, "dest")[0];
    return {
      ...(written.action === undefined ? {} : { action: written.action }),
      ...(written.direction === undefined ? {} : { direction: written.direction }),
      ...(written.protocol === undefined ? {} : { protocol: written.protocol }),
      ...(written.port === undefined ? {} : { ports: written.port }),
      ...(source === undefined ? {} : { source }),
      ...(destination === undefined ? {} : { destination }),
      ...(written.comment === undefined ? {} : { comment: written.comment }),
    };
  });

/** `deny in tcp 22 from peer:bob to any`; without the direction where the rule has none. */
export function formatFilterRule(rule: NetworkRule & { readonly direction?: FilterDirection }): string {
  const { action, direction, protocol, ports, source, destination } = rule;
  const what = direction === undefined ? action : `${action} ${direction}`;
  return `${what} ${protocol} ${ports} from ${source} to ${destination}`;
}
