import dnsPacket, { type Answer, type DecodedPacket, type Packet } from "dns-packet";
import { type Query, readQuery } from "../../../src/dns/message/query.ts";

export interface Asked {
  readonly id?: number;
  readonly flags?: number;
  /** Sent along: what fits over UDP, and the wish for signatures. */
  readonly edns?: { readonly payloadBytes?: number; readonly version?: number; readonly dnssecOk?: boolean };
}

/** A query as a resolver sends it. */
export function queryBytes(name: string, type: string, { id = 0x1234, flags = 0x0100, edns }: Asked = {}): Buffer {
  const query: Packet = { type: "query", id, flags, questions: [{ name, type: type as "A" }] };
  if (edns !== undefined) {
    query.additionals = [
      {
        type: "OPT",
        name: ".",
        udpPayloadSize: edns.payloadBytes ?? 1232,
        extendedRcode: 0,
        ednsVersion: edns.version ?? 0,
        flags: edns.dnssecOk === true ? 0x8000 : 0,
        flag_do: edns.dnssecOk === true,
        options: [],
      },
    ];
  }
  return dnsPacket.encode(query);
}

export function query(name: string, type: string, asked: Asked = {}): Query {
  return readQuery(queryBytes(name, type, asked)) as Query;
}

export type Reply = DecodedPacket & { readonly rcode: string };

export function decode(bytes: Buffer): Reply {
  return dnsPacket.decode(bytes) as Reply;
}

/** `name type data`, as a table has it. */
export function lines(records: readonly Answer[] | undefined): string[] {
  return (records ?? []).map((record) => {
    if (record.type === "OPT") return `${record.name} OPT`;
    const { name, type, data } = record;
    if (type === "TXT")
      return `${name} TXT ${Buffer.concat([data].flat().map((part) => Buffer.from(part))).toString()}`;
    return `${name} ${type} ${typeof data === "string" ? data : JSON.stringify(data)}`;
  });
}
