import { randomInt } from "node:crypto";
import type { Socket as UdpSocket } from "node:dgram";
import dnsPacket, { type DecodedPacket, type Packet } from "dns-packet";
import { type Dial, eventOf, openTcp } from "../tcp.ts";
import type { OpenUdp } from "../udp.ts";

export type AddressType = "A" | "AAAA";

export interface DnsQueryDeps {
  readonly openUdp: OpenUdp;
  readonly dial: Dial;
}

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
  deps: DnsQueryDeps,
  signal: AbortSignal,
): Promise<string[]> {
  const query: Packet = {
    type: "query",
    id: randomInt(0x1_0000),
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ type, name }],
    additionals: [{ type: "OPT", name: ".", ...EDNS }],
  };
  const overUdp = await askOverUdp(server, query, deps, signal);
  const answer = overUdp.flag_tc ? await askOverTcp(server, query, deps, signal) : overUdp;
  const rcode = (answer.flags ?? 0) & 0xf;
  if (rcode !== NO_ERROR && rcode !== NAME_ERROR) throw new Error(`the name server ${server} says RCODE ${rcode}`);
  return (answer.answers ?? []).flatMap((record) => (record.type === type ? [record.data] : []));
}

async function askOverUdp(
  server: string,
  query: Packet,
  { openUdp }: DnsQueryDeps,
  signal: AbortSignal,
): Promise<DecodedPacket> {
  const socket = openUdp(server.includes(":") ? "::" : "0.0.0.0");
  try {
    return await answerTo(socket, server, query, signal);
  } finally {
    socket.close();
  }
}

function answerTo(socket: UdpSocket, server: string, query: Packet, signal: AbortSignal): Promise<DecodedPacket> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
    socket.on("error", reject);
    // Connected: the kernel takes datagrams from this server alone, and tells when nothing listens there.
    socket.connect(DNS_PORT, server, (failure?: Error) => {
      if (failure === undefined) socket.send(dnsPacket.encode(query));
      else reject(failure);
    });
    socket.on("message", (bytes) => {
      const answer = decode(bytes);
      if (answer !== undefined && isAnswerTo(query, answer)) resolve(answer);
    });
  });
}

async function askOverTcp(
  server: string,
  query: Packet,
  { dial }: DnsQueryDeps,
  signal: AbortSignal,
): Promise<DecodedPacket> {
  const socket = await openTcp(dial, { host: server, port: DNS_PORT }, signal);
  try {
    socket.write(dnsPacket.streamEncode(query));
    let bytes = Buffer.alloc(0);
    for (;;) {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) {
        await eventOf(socket, "readable", signal);
        continue;
      }
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.length < 2 || bytes.length < 2 + bytes.readUInt16BE(0)) continue;
      const answer = decode(bytes.subarray(2));
      if (answer === undefined || !isAnswerTo(query, answer))
        throw new Error(`the name server ${server} talks nonsense`);
      return answer;
    }
  } finally {
    socket.destroy();
  }
}

/** Undefined for what is no DNS message. */
function decode(bytes: Buffer): DecodedPacket | undefined {
  try {
    return dnsPacket.decode(bytes);
  } catch {
    return undefined;
  }
}

function isAnswerTo(query: Packet, answer: DecodedPacket): boolean {
  const [asked, repeated] = [query.questions?.[0], answer.questions?.[0]];
  const isSame = repeated?.type === asked?.type && repeated?.name.toLowerCase() === asked?.name.toLowerCase();
  return answer.type === "response" && answer.id === query.id && isSame;
}
