import { z } from "zod";
import { filterLayerSchema } from "./filter-rule.ts";
import { transportNameSchema } from "./path-preference.ts";
import { ipSchema, nameSchema, portSchema } from "./primitives.ts";

/**
 * `mesh explain`: what becomes of a connection, and why. The command asks its daemon (`local.ts`), which asks the other end,
 * or both of them, inside the WireGuard sessions with these: each end knows its own half.
 */

export const explainProtocolSchema = z.enum(["tcp", "udp", "icmp"], "tcp, udp or icmp");
export type ExplainProtocol = z.infer<typeof explainProtocolSchema>;

const serviceShape = {
  protocol: explainProtocolSchema,
  /** Of the destination; null for icmp. */
  port: portSchema.nullable(),
};
const hasPortWhereThereIsOne = ({
  protocol,
  port,
}: {
  readonly protocol: ExplainProtocol;
  readonly port: number | null;
}) => (protocol === "icmp") === (port === null);
const ONE_PORT = { error: "tcp and udp take a port, icmp has none", path: ["port"] };

const endSchema = z.string().min(1).max(253);

/** What the command asks. */
export const explainRequestSchema = z
  .strictObject({
    /** Name or address; null for this machine. */
    from: endSchema.nullable(),
    to: endSchema.nullable(),
    ...serviceShape,
    /** Of names, which have addresses of both. */
    family: z.union([z.literal(4), z.literal(6)]),
  })
  .refine(hasPortWhereThereIsOne, ONE_PORT);
export type ExplainRequest = z.infer<typeof explainRequestSchema>;

/**
 * What a machine is asked by another one: its half of a connection between these addresses. It is one of the two ends, or the
 * peer that carries the connection on to an address that is no machine of the mesh, or in from there.
 */
export const halfQuestionSchema = z
  .strictObject({ source: ipSchema, destination: ipSchema, ...serviceShape })
  .refine(hasPortWhereThereIsOne, ONE_PORT);
export type HalfQuestion = z.infer<typeof halfQuestionSchema>;

/** Words are cut to these, and further where a message holds less. */
const MAX_RULE_TEXT = 160;
const MAX_ENDPOINT_TEXT = 80;
const MAX_PATH_TEXT = 60;
const MAX_FIREWALL_TEXT = 120;
const MAX_BEYOND_TEXT = 160;
const MAX_TABLE_TEXT = 16;
const clipped = (length: number) => z.string().transform((text) => text.slice(0, length));

/** A rule by its id; only admins, and the machine itself, are told. */
export const explainedRuleSchema = z.object({ id: z.string().max(64), text: z.string() });
export type ExplainedRule = z.infer<typeof explainedRuleSchema>;

/** Of an address that is no machine of the mesh: which way leads there (or from there), by the word of the end that has it. */
export const wayBeyondSchema = z.object({
  /**
   * `exit`: the peer `carrier`, as the exit in use; `route`: that peer, to a network behind it; `host`: no peer, but the host
   * by itself; `kept-in`: nobody, since an exit was asked for and nothing leaves around it.
   */
  by: z.enum(["exit", "route", "host", "kept-in"]),
  carrier: nameSchema.nullable(),
  /** Whether the exit's guard is there; null where no exit was asked for. */
  isGuarded: z.boolean().nullable(),
  /** Why this way; of an exit, how those stand that were asked for. Empty for who is not told. */
  detail: clipped(MAX_BEYOND_TEXT),
});
export type WayBeyond = z.infer<typeof wayBeyondSchema>;

/** What one end knows of a connection. */
export const endFactsSchema = z.object({
  /** The other end is in its map. */
  inSight: z.boolean(),
  /** By its map, associations let the source start connections to the destination. */
  mayStart: z.boolean(),
  /** The prefix by which its packet path takes the other end's address for that peer's; null where it does not. */
  prefix: z.string().max(50).nullable(),
  /**
   * At the source: where its host sends such packets, and from which address where that is the host's own. At who carries: where
   * its host has the address that is no machine of the mesh.
   */
  route: z
    .object({
      interface: z.string().max(15).nullable(),
      isOurs: z.boolean(),
      source: z.string().max(45).nullable(),
      /** Of the host's policy routing, where it is none of the usual ones. */
      table: clipped(MAX_TABLE_TEXT).nullish(),
    })
    .nullable(),
  filter: z
    .object({
      verdict: z.enum(["accept", "deny", "reject", "one-way"]),
      /** Whose rule decided; the default where none did. */
      layer: z.union([filterLayerSchema, z.literal("default")]),
      rule: explainedRuleSchema.extend({ text: clipped(MAX_RULE_TEXT) }).nullable(),
    })
    .nullable(),
  /** Connections of this kind that it tracks as open. */
  tracked: z.number().int(),
  session: z.object({ isUp: z.boolean(), lastHandshakeAt: z.string().max(30).nullable() }),
  path: z
    .object({
      transport: transportNameSchema,
      endpoint: clipped(MAX_ENDPOINT_TEXT),
      rttMs: z.number().nullable(),
      mtuBytes: z.number().int().nullable(),
      detail: clipped(MAX_PATH_TEXT),
    })
    .nullable(),
  /** At the source: what came of a probe to the other end just now, milliseconds; null for no answer. */
  probeRttMs: z.number().nullable(),
  /** The largest packet of its interface. */
  mtuBytes: z.number().int(),
  hostFirewall: z.object({ state: z.enum(["clear", "drops", "unreadable"]), detail: clipped(MAX_FIREWALL_TEXT) }),
  /** At an end of the mesh, where the other one is no machine of it. */
  beyond: wayBeyondSchema.optional(),
  /** At the peer that carries it: whether it does, and why. */
  carried: z.object({ isCarried: z.boolean(), detail: clipped(MAX_BEYOND_TEXT) }).optional(),
});
export type EndFacts = z.infer<typeof endFactsSchema>;

/** What it answers. */
export const halfAnswerSchema = z.union([
  z.object({ facts: endFactsSchema }),
  /** It is neither end and carries nothing, or the asker is neither and no admin. */
  z.object({ refused: z.enum(["not-an-end", "not-an-admin"]) }),
]);
export type HalfAnswer = z.infer<typeof halfAnswerSchema>;

export const explainLayerSchema = z.enum([
  "dns",
  "route",
  "acl",
  "filter",
  "connection",
  "session",
  "path",
  "mtu",
  "host-firewall",
  "exit",
]);
export type ExplainLayer = z.infer<typeof explainLayerSchema>;

export const explainStepSchema = z.object({
  layer: explainLayerSchema,
  /** At which end; at the peer that carries it, where one end is no machine of the mesh. */
  end: z.enum(["source", "carrier", "destination"]),
  /** False: the connection ends here. True where it is not known (`known`) as well. */
  ok: z.boolean(),
  known: z.boolean(),
  detail: z.string(),
  rule: explainedRuleSchema.nullable(),
});
export type ExplainStep = z.infer<typeof explainStepSchema>;

export const explanationSchema = z.object({
  verdict: z.enum(["delivered", "blocked", "unreachable"]),
  /** The layer that ended it; null where it is delivered. */
  by: explainLayerSchema.nullable(),
  reason: z.string(),
  source: z.object({ name: nameSchema.nullable(), address: z.string().nullable() }),
  destination: z.object({ name: nameSchema.nullable(), address: z.string().nullable() }),
  /** The peer that carries it between the mesh and an address outside: an exit, or the router of a network behind it. */
  carrier: nameSchema.nullable(),
  protocol: explainProtocolSchema,
  port: portSchema.nullable(),
  steps: z.array(explainStepSchema),
});
export type Explanation = z.infer<typeof explanationSchema>;
