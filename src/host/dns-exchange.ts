import { randomInt } from "node:crypto";
import type { Socket as UdpSocket } from "node:dgram";
import { isIPv6 } from "node:net";
import { asciiLowerCase } from "../base/ascii-case.ts";
import { type Dial, eventOf, openTcp } from "./tcp.ts";
import type { OpenUdp } from "./udp.ts";

export interface DnsServerAddress {
  readonly address: string;
  readonly port: number;
}

export interface DnsSockets {
  readonly openUdp: OpenUdp;
  readonly dial: Dial;
}

const HEADER_BYTES = 12;
const TRUNCATED = 0x0200;
const RESPONSE = 0x8000;

/**
 * Asks one server (RFC 1035 §4.2): over UDP from a port that nobody can know, over TCP when the answer is cut short there.
 * Others can guess neither port nor id, and what does not repeat the question is no answer.
 *
 * @param query a message with one question; its id is replaced by a random one
 * @returns the answer, whatever it says
 * @throws Error when none comes; the reason of `signal`
 */
export async function exchangeDns(
  server: DnsServerAddress,
  query: Buffer,
  sockets: DnsSockets,
  signal: AbortSignal,
): Promise<Buffer> {
  const asked = Buffer.from(query);
  asked.writeUInt16BE(randomInt(0x1_0000), 0);
  const overUdp = await askOverUdp(server, asked, sockets, signal);
  return (overUdp.readUInt16BE(2) & TRUNCATED) === 0 ? overUdp : askOverTcp(server, asked, sockets, signal);
}

async function askOverUdp(
  server: DnsServerAddress,
  query: Buffer,
  { openUdp }: DnsSockets,
  signal: AbortSignal,
): Promise<Buffer> {
  signal.throwIfAborted();
  const socket = openUdp(isIPv6(server.address) ? "::" : "0.0.0.0");
  try {
    return await answerTo(socket, server, query, signal);
  } finally {
    socket.close();
  }
}

function answerTo(
  socket: UdpSocket,
  { address, port }: DnsServerAddress,
  query: Buffer,
  signal: AbortSignal,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    socket.on("error", reject);
    // Connected: the kernel takes datagrams from this server alone, and tells when nothing listens there.
    socket.connect(port, address, (failure?: Error) => {
      if (failure === undefined) socket.send(query);
      else reject(failure);
    });
    socket.on("message", (bytes) => {
      if (isAnswerTo(query, bytes)) resolve(bytes);
    });
  });
}

async function askOverTcp(
  { address, port }: DnsServerAddress,
  query: Buffer,
  { dial }: DnsSockets,
  signal: AbortSignal,
): Promise<Buffer> {
  const socket = await openTcp(dial, { host: address, port }, signal);
  try {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.length);
    socket.write(Buffer.concat([length, query]));
    let bytes = Buffer.alloc(0);
    for (;;) {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) {
        await eventOf(socket, "readable", signal);
        continue;
      }
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.length < 2 || bytes.length < 2 + bytes.readUInt16BE(0)) continue;
      const answer = bytes.subarray(2, 2 + bytes.readUInt16BE(0));
      if (!isAnswerTo(query, answer)) throw new Error(`the name server ${address} talks nonsense`);
      return answer;
    }
  } finally {
    socket.destroy();
  }
}

/** The question is repeated byte for byte, but for case: some servers have their own (RFC 4343). */
function isAnswerTo(query: Buffer, answer: Buffer): boolean {
  if (answer.length < HEADER_BYTES || answer.readUInt16BE(0) !== query.readUInt16BE(0)) return false;
  if ((answer.readUInt16BE(2) & RESPONSE) === 0) return false;
  const end = questionEnd(query);
  const questionOf = (message: Buffer) => asciiLowerCase(message.toString("latin1", HEADER_BYTES, end));
  return answer.readUInt16BE(4) === 1 && questionOf(answer) === questionOf(query);
}

function questionEnd(query: Buffer): number {
  let at = HEADER_BYTES;
  while (at < query.length && query[at]! !== 0) at += 1 + query[at]!;
  return at + 5;
}
