import { type ExplainRequest, explainRequestSchema } from "../../api/explain.ts";
import { MeshError } from "../../base/errors.ts";

/** The ends and the service as words. */
export interface WrittenEnds {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly protocol?: string | undefined;
  readonly port?: string | undefined;
}

const USAGE = { hint: "`mesh explain [SRC] DST[:PORT[/PROTO]]`, such as `mesh explain bob:22/tcp`." };
/** `[V6]`, or what has no colon, then a port and a protocol. */
const WITH_SERVICE = /^(?:\[([^\]]+)\]|([^:/]+))(?::(\d{1,5})(?:\/([a-z]+))?|\/(icmp))?$/;
/** More than one colon and no brackets: an IPv6 address without a port. */
const BARE_V6 = /^[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*$/i;

/** `[SRC] DST[:PORT[/PROTO]]`. @throws MeshError `bad-usage` */
export function parseEnds(words: readonly string[]): WrittenEnds {
  const [last = "", from] = [...words].reverse();
  if (words.length > 2) throw new MeshError("bad-usage", "two ends at most", USAGE);
  const source = from === undefined ? {} : { from: from.replace(/^\[(.*)\]$/, "$1") };
  if (BARE_V6.test(last)) return { ...source, to: last };
  const [, v6, plain, port, protocol, icmp] = WITH_SERVICE.exec(last) ?? [];
  const to = v6 ?? plain;
  if (to === undefined) throw new MeshError("bad-usage", `${JSON.stringify(last)} names no end`, USAGE);
  return { ...source, to, port, protocol: protocol ?? icmp };
}

/** @throws MeshError `bad-usage` */
export function explainRequest(
  { from, to, protocol, port }: WrittenEnds,
  { ipv6 = false }: { readonly ipv6?: boolean },
): ExplainRequest {
  const parsed = explainRequestSchema.safeParse({
    from: from ?? null,
    to: to ?? null,
    protocol: protocol ?? (port === undefined ? "icmp" : "tcp"),
    port: port === undefined ? null : Number(port),
    family: ipv6 ? 6 : 4,
  });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new MeshError("bad-usage", `${issue?.path.join(".") || "the ends"}: ${issue?.message}`, USAGE);
}
