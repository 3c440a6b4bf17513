import dnsPacket, { type Packet } from "dns-packet";
import { type DnsSockets, exchangeDns } from "../dns-exchange.ts";

export type AddressType = "A" | "AAAA";

const DNS_PORT = 53;
/** RFC 6891: what an answer over UDP may have, so that it is not fragmented (RFC 9715 §3). */
const UDP_PAYLOAD_BYTES = 1232;
const EDNS = {
  udpPayloadSize: UDP_PAYLOAD_BYTES,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
};

/** RCODE of RFC 1035 §4.1.1: the server's word on the name, both of them; others say that it has none. */
const NO_ERROR = 0;
const NAME_ERROR = 3;

/**
 * Asks one server for the addresses of `name` (RFC 1035): over UDP, over TCP when the answer is cut short.
 * @returns none when there is no such name, or it has no address of this kind
 * @throws Error when the server does not tell; the reason of `signal`
 */
export async function queryAddresses(
  server: string,
  name: string,
  type: AddressType,
  sockets: DnsSockets,
  signal: AbortSignal,
): Promise<string[]> {
  const query: Packet = {
    type: "query",
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ type, name }],
    additionals: [{ type: "OPT", name: ".", ...EDNS }],
  };
  const bytes = await exchangeDns({ address: server, port: DNS_PORT }, dnsPacket.encode(query), sockets, signal);
  const answer = dnsPacket.decode(bytes);
  const rcode = (answer.flags ?? 0) & 0xf;
  if (rcode !== NO_ERROR && rcode !== NAME_ERROR) throw new Error(`the name server ${server} says RCODE ${rcode}`);
  return (answer.answers ?? []).flatMap((record) => (record.type === type ? [record.data] : []));
}
