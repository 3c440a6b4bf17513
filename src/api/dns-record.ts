import { z } from "zod";
import { canonicalAddress } from "../packet/address.ts";
import { ip4Schema, ip6Schema, ipSchema, portSchema } from "./primitives.ts";

/** Resource records of the mesh domain beside the names of peers, as people write and scripts read them. */

/** RFC 1035 §2.3.4, without the root's byte and in text. */
const MAX_NAME_CHARACTERS = 253;
/** So that an answer of them all still fits where it has to. */
const MAX_TXT_BYTES = 1024;
const MAX_TTL_SECONDS = 7 * 24 * 3600;

const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** Labels of letters, digits, `_` and `-`: `git`, `_https._tcp.web`. Case means nothing in DNS: it is kept in lower case. */
export const dnsNameSchema = z
  .string()
  .min(1)
  .max(MAX_NAME_CHARACTERS + 1)
  .transform((text) => text.toLowerCase().replace(/\.$/, ""))
  .refine(
    (text) => text.length <= MAX_NAME_CHARACTERS && text.split(".").every((label) => LABEL.test(label)),
    "labels of letters, digits, _ and -, 63 characters at most, joined by dots; 253 characters in all",
  );

export const dnsRecordTypeSchema = z.enum(["A", "AAAA", "CNAME", "TXT", "SRV"]);
export type DnsRecordType = z.infer<typeof dnsRecordTypeSchema>;

/** Null: what names of peers have. */
export const dnsTtlSchema = z.number().int().min(0).max(MAX_TTL_SECONDS).nullable();

const u16Schema = z.coerce.number().int().min(0).max(65535);

/**
 * What `data` is of each type:
 *
 *     A, AAAA   an address                        10.0.0.7
 *     CNAME     a name, with the domain           alice.mesh
 *     TXT       text                              v=spf1 -all
 *     SRV       PRIORITY WEIGHT PORT NAME         0 5 443 alice.mesh     (RFC 2782)
 */
const DATA: Readonly<Record<DnsRecordType, z.ZodType<string, string>>> = {
  A: ip4Schema,
  AAAA: ip6Schema.refine((text) => !text.includes("%"), "an IPv6 address without a zone").transform(canonicalAddress),
  CNAME: dnsNameSchema,
  TXT: z.string().refine((text) => Buffer.byteLength(text) <= MAX_TXT_BYTES, `${MAX_TXT_BYTES} bytes at most`),
  SRV: z.string().transform((text, context) => {
    const words = text.trim().split(/\s+/);
    const parsed = z.tuple([u16Schema, u16Schema, z.coerce.number().pipe(portSchema), dnsNameSchema]).safeParse(words);
    if (parsed.success) return parsed.data.join(" ");
    context.addIssue("PRIORITY WEIGHT PORT NAME, such as 0 5 443 alice.mesh");
    return z.NEVER;
  }),
};

/** Has `data` in its one form. */
export const dnsRecordSchema = z
  .strictObject({
    name: dnsNameSchema,
    type: dnsRecordTypeSchema,
    data: z.string().max(4096),
    ttlSeconds: dnsTtlSchema,
  })
  .transform((record, context) => {
    const data = DATA[record.type].safeParse(record.data);
    if (data.success) return { ...record, data: data.data };
    context.addIssue({ code: "custom", path: ["data"], message: data.error.issues[0]?.message ?? "of another type" });
    return z.NEVER;
  });
export type DnsRecord = z.output<typeof dnsRecordSchema>;

/** The last word of `data` that is a name: where a CNAME or SRV points to. */
export function targetOf({ type, data }: Pick<DnsRecord, "type" | "data">): string | undefined {
  return type === "CNAME" || type === "SRV" ? data.split(" ").at(-1) : undefined;
}

/** An address, and a port other than 53 after `#`, as dnsmasq has it: it is clear in both families. */
export const dnsServerSchema = z
  .string()
  .max(51)
  .refine((text) => {
    const [address, port, ...more] = text.split("#");
    return (
      ipSchema.safeParse(address).success &&
      !text.includes("%") &&
      (port === undefined || (/^[1-9]\d{0,4}$/.test(port) && Number(port) <= 65535)) &&
      more.length === 0
    );
  }, "an address of a name server, such as 192.0.2.53 or 2001:db8::53#5353");

export const MAX_DNS_SERVERS = 8;
export const MAX_DNS_SPLITS = 64;

const dnsServersSchema = z.array(dnsServerSchema).min(1).max(MAX_DNS_SERVERS);

/** Names below `suffix` are asked of these servers. */
export const dnsSplitSchema = z.object({ suffix: dnsNameSchema, servers: dnsServersSchema });
export type DnsSplit = z.infer<typeof dnsSplitSchema>;
