import { z } from "zod";
import { ipSchema } from "./primitives.ts";

/** Of the local API: what names mean on this machine. */

export const dnsListenerSchema = z.object({
  address: ipSchema,
  port: z.number().int(),
  /** Why nobody is answered there, as long as that is so: it is tried again and again. Null where they are. */
  problem: z.string().nullable(),
});
export type DnsListenerStatus = z.infer<typeof dnsListenerSchema>;

export const dnsRouteSchema = z.object({
  /** Null: all names that have no route of their own. */
  suffix: z.string().nullable(),
  /** Asked in this order; none: nobody. */
  servers: z.array(z.string()),
  /** By whose word. */
  reason: z.string(),
  /** Left out: this machine would ask itself. */
  skipped: z.array(z.string()),
  /** Those that gave no answer when they were asked last, and why. */
  unanswered: z.array(z.object({ server: z.string(), problem: z.string() })),
});
export type DnsRouteStatus = z.infer<typeof dnsRouteSchema>;

/** How this host's own programs come to ask the mesh's name server. */
export const hostNamesSchema = z.object({
  /** Who decides here; null where mesh has told nobody. */
  manager: z.enum(["systemd-resolved", "openresolv", "resolvconf", "resolv.conf"]).nullable(),
  inForce: z.boolean(),
  /** Why it is that one, or why it is not in force. */
  reason: z.string(),
});
export type HostNamesStatus = z.infer<typeof hostNamesSchema>;

export const dnsStatusSchema = z.object({
  /** For this host itself. */
  enabled: z.boolean(),
  domain: z.string(),
  listeners: z.array(dnsListenerSchema),
  /** Of the mesh, that are answered here: peers with this machine, and records. */
  peers: z.number().int(),
  records: z.number().int(),
  routes: z.array(dnsRouteSchema),
  host: hostNamesSchema,
  /** Peers whose exit this machine is may have other names looked up here. */
  servesPeers: z.boolean(),
  /** Answers of others that are kept. */
  cached: z.number().int(),
});
export type DnsStatus = z.infer<typeof dnsStatusSchema>;

/** `type` null: A and AAAA of a name, PTR of an address. */
export const dnsQueryRequestSchema = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(254)
    .refine(
      (name) =>
        name === "." ||
        name
          .replace(/\.$/, "")
          .split(".")
          .every((label) => label !== "" && Buffer.byteLength(label) <= 63),
      "a name, of labels of up to 63 bytes with dots between them",
    ),
  type: z
    .string()
    .regex(/^[A-Za-z0-9]{1,16}$/, "a type, such as A, TXT or TYPE65")
    .nullable(),
});
export type DnsQueryRequest = z.infer<typeof dnsQueryRequestSchema>;

export const dnsAnswerSchema = z.object({
  name: z.string(),
  type: z.string(),
  /** `NOERROR`, `NXDOMAIN`, `SERVFAIL`, … */
  rcode: z.string(),
  answers: z.array(z.object({ name: z.string(), type: z.string(), ttlSeconds: z.number(), data: z.string() })),
  /** `mesh`: this machine itself; `none`: nobody could tell, or was asked. */
  by: z.enum(["mesh", "server", "cache", "none"]),
  server: z.string().nullable(),
  reason: z.string().nullable(),
  elapsedMs: z.number(),
});
export type DnsAnswer = z.infer<typeof dnsAnswerSchema>;

/** One for each type that was asked for. */
export const dnsQueryReplySchema = z.object({ replies: z.array(dnsAnswerSchema) });
export type DnsQueryReply = z.infer<typeof dnsQueryReplySchema>;
