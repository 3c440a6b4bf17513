import { isIP } from "node:net";
import { z } from "zod";

/** The small shapes that every contract is made of. */

const RESERVED_NAMES = new Set(["off", "any", "all", "auto"]);
const NAME = /^([a-z0-9]-?)*[a-z0-9]$/;

/** Name of a peer, network or CIDR: one DNS label of lower-case letters, digits and single hyphens. */
export const nameSchema = z
  .string()
  .min(1)
  .max(63)
  // The length is bounded before the pattern runs: its nested quantifier must not see a long string.
  .refine((text) => text.length <= 63 && NAME.test(text), "lower-case letters, digits and single hyphens only")
  .refine((text) => !RESERVED_NAMES.has(text), "this word has a meaning of its own in commands");

/** 32 bytes in padded standard base64: a WireGuard (X25519) or machine (Ed25519) public key, a nonce. */
export const key32Schema = z
  .string()
  .length(44)
  .regex(/^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/, "32 bytes in base64");

/** An Ed25519 signature: 64 bytes in padded standard base64. */
export const signatureSchema = z
  .string()
  .length(88)
  .regex(/^[A-Za-z0-9+/]{85}[AQgw]==$/, "64 bytes in base64");

export const sha256HexSchema = z.string().regex(/^[0-9a-f]{64}$/, "a SHA-256 in lower-case hex");

export const ip4Schema = z
  .string()
  .max(15)
  .refine((text) => isIP(text) === 4, "an IPv4 address");
export const ip6Schema = z
  .string()
  .max(45)
  .refine((text) => isIP(text) === 6, "an IPv6 address");
export const ipSchema = z
  .string()
  .max(45)
  .refine((text) => isIP(text) !== 0, "an IP address");

/** `192.0.2.0/24` or `fd00::/48`; whether host bits are set is the tree's business. */
export const cidrSchema = z
  .string()
  .max(49)
  .refine((text) => {
    const slash = text.lastIndexOf("/");
    const family = isIP(text.slice(0, Math.max(slash, 0)));
    const bits = text.slice(slash + 1);
    return family !== 0 && /^(0|[1-9]\d{0,2})$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
  }, "a CIDR such as 10.0.0.0/8 or fd00::/8");

export const ipFamilySchema = z.enum(["ipv4", "ipv6"]);
export type IpFamily = z.infer<typeof ipFamilySchema>;

/** `192.0.2.1:51820` or `[2001:db8::1]:51820`. */
export const endpointSchema = z
  .string()
  .max(56)
  .refine((text) => {
    const match = /^(?:\[([^\]]+)\]|([^:]+)):([1-9]\d{0,4})$/.exec(text);
    if (match === null) return false;
    const address = match[1] === undefined ? isIP(match[2] ?? "") === 4 : isIP(match[1].replace(/%.*$/, "")) === 6;
    return address && Number(match[3]) <= 65535;
  }, "an endpoint such as 192.0.2.1:51820 or [2001:db8::1]:51820");

const DNS_LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?$/i;

/** `HOST:PORT`, the host a DNS name or an address: `vpn.example.com:51820`, `[2001:db8::1]:51820`. */
export const hostPortSchema = z
  .string()
  .max(260)
  .refine((text) => {
    if (endpointSchema.safeParse(text).success) return !text.includes("%");
    const [, host = "", port = "0"] = /^([^:[\]]+):([1-9]\d{0,4})$/.exec(text) ?? [];
    const labels = host.replace(/\.$/, "").split(".");
    // What ends in a number is an IPv4 address, and this one is none.
    const isName = labels.every((label) => DNS_LABEL.test(label)) && !/^\d+$/.test(labels.at(-1) ?? "");
    return isName && host.length <= 253 && Number(port) <= 65535;
  }, "HOST:PORT, such as vpn.example.com:51820 or [2001:db8::1]:51820");

/** ISO 8601 in UTC. */
export const instantSchema = z.iso.datetime();

export const portSchema = z.number().int().min(1).max(65535);

/** A certificate, or a chain of them. */
export const pemSchema = z.string().max(16_384).startsWith("-----BEGIN CERTIFICATE-----");
