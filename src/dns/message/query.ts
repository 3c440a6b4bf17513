import dnsPacket from "dns-packet";
import { Flag, HEADER_BYTES, PLAIN_UDP_BYTES, Rcode } from "../constants.ts";
import { readLayout } from "./layout.ts";

export interface Edns {
  /** What the asker takes over UDP, bytes. */
  readonly payloadBytes: number;
  readonly version: number;
  /** DO: signatures are wanted (RFC 3225). */
  readonly dnssecOk: boolean;
}

/** A query with one question, as we were asked. */
export interface Query {
  readonly id: number;
  /** The header's second word. */
  readonly flags: number;
  /** In the asker's own case; empty for the root. */
  readonly name: string;
  /** `A`, or `UNKNOWN_65` for what the codec has no word for. */
  readonly type: string;
  readonly class: string;
  /** The question as it came: it goes back bit by bit, its case with it (0x20). */
  readonly question: Buffer;
  readonly edns: Edns | undefined;
}

/** What cannot be answered is refused with as much of the query as was understood. */
export type UnreadableQuery = Pick<Query, "id" | "flags"> & { readonly rcode: Rcode };

const OPCODE_SHIFT = 11;

/** @returns undefined for what must not be answered: responses, and what is shorter than a header */
export function readQuery(bytes: Buffer): Query | UnreadableQuery | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  const id = bytes.readUInt16BE(0);
  const flags = bytes.readUInt16BE(2);
  if ((flags & Flag.qr) !== 0) return undefined;
  if (((flags >> OPCODE_SHIFT) & 0xf) !== 0) return { id, flags, rcode: Rcode.notImp };
  const malformed = { id, flags, rcode: Rcode.formErr };
  const layout = readLayout(bytes);
  // A second question has no meaning (RFC 9619), nor have records that answer it; trailing bytes are nobody's.
  if (layout === undefined || layout.records.some(({ section }) => section !== "additional")) return malformed;
  if ((layout.records.at(-1)?.end ?? layout.questionEnd) !== bytes.length) return malformed;
  const question = Buffer.from(bytes.subarray(HEADER_BYTES, layout.questionEnd));
  const name = nameIn(question);
  const decoded = decode(bytes);
  const [asked] = decoded?.questions ?? [];
  if (decoded === undefined || asked === undefined || name === undefined) return malformed;
  const options = (decoded.additionals ?? []).filter((record) => record.type === "OPT");
  if (options.length > 1) return malformed;
  const [option] = options;
  return {
    id,
    flags,
    name,
    type: asked.type,
    class: asked.class ?? "IN",
    question,
    edns: option && {
      payloadBytes: Math.max(option.udpPayloadSize, PLAIN_UDP_BYTES),
      version: option.ednsVersion,
      dnssecOk: option.flag_do,
    },
  };
}

/** The codec throws on what it cannot read. */
function decode(bytes: Buffer): dnsPacket.DecodedPacket | undefined {
  try {
    return dnsPacket.decode(bytes);
  } catch {
    return undefined;
  }
}

/** A byte a character, so that no two names are one. Undefined with a pointer in it, which could point at the header only. */
function nameIn(question: Buffer): string | undefined {
  const labels: string[] = [];
  for (let at = 0; question[at]! !== 0; at += 1 + question[at]!) {
    if (question[at]! >= 0x40) return undefined;
    const label = question.toString("latin1", at + 1, at + 1 + question[at]!);
    // RFC 1035 §5.1: no dot of a label's own passes for one between labels.
    labels.push(label.replaceAll("\\", "\\092").replaceAll(".", "\\046"));
  }
  return labels.join(".");
}
