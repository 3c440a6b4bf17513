import { z } from "zod";
import { dnsNameSchema, dnsRecordTypeSchema, dnsServerSchema, dnsTtlSchema, MAX_DNS_SERVERS } from "./dns-record.ts";
import { nameSchema } from "./primitives.ts";

/**
 * What is asked of the coordinator about DNS; how, see `admin.ts`. Records: admins for every name, any other peer for those
 * below its own name; it is shown those that it sees. Servers: admins.
 *
 *     GET  /v1/admin/dns/records          → dnsEntrySchema[]   by name
 *     POST /v1/admin/dns/records          dnsAddSchema → dnsEntrySchema
 *     POST /v1/admin/dns/records/remove   dnsRemoveSchema → dnsEntrySchema[]   as they were
 *     GET  /v1/admin/dns/servers          → dnsServersEntrySchema[]
 *     POST /v1/admin/dns/servers          dnsServersSetSchema → dnsServersEntrySchema
 */
export const dnsEntrySchema = z.object({
  /** With the domain. */
  name: z.string(),
  type: dnsRecordTypeSchema,
  data: z.string(),
  ttlSeconds: dnsTtlSchema,
  /** Below whose name it is; that peer may change it. */
  peer: nameSchema.nullable(),
  /** Why it is not told to anybody at present; null where it is. */
  note: z.string().nullable(),
});
export type DnsEntry = z.infer<typeof dnsEntrySchema>;

/** `name` may be given with or without the domain. Data is checked by its type, against the network (`dns-record.ts`). */
export const dnsAddSchema = z.strictObject({
  record: z.strictObject({
    name: z.string().min(1).max(300),
    type: z.string().min(1).max(16),
    data: z.string().max(4096),
    ttlSeconds: dnsTtlSchema,
  }),
});
export type DnsAdd = z.infer<typeof dnsAddSchema>;

/** Of this name all records, or only those of a type, or the one with this data. */
export const dnsRemoveSchema = z.strictObject({
  name: z.string().min(1).max(300),
  type: z.string().min(1).max(16).nullable(),
  data: z.string().max(4096).nullable(),
});
export type DnsRemove = z.infer<typeof dnsRemoveSchema>;

export const dnsServersEntrySchema = z.object({
  /** Null: for all other names. */
  suffix: dnsNameSchema.nullable(),
  servers: z.array(dnsServerSchema),
});
export type DnsServersEntry = z.infer<typeof dnsServersEntrySchema>;

/** No servers: as if nothing was ever said. */
export const dnsServersSetSchema = z.strictObject({
  suffix: z.string().min(1).max(300).nullable(),
  servers: z.array(z.string().max(64)).max(MAX_DNS_SERVERS),
});
export type DnsServersSet = z.infer<typeof dnsServersSetSchema>;
