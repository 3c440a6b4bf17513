import { createSocket } from "node:dgram";
import { createServer, type Socket } from "node:net";
import dnsPacket, { type Answer, type Packet } from "dns-packet";
import type { DnsServerAddress } from "../../../src/host/dns-exchange.ts";
import { decode, type Reply } from "./messages.ts";

export type Behaviour = (query: Reply, way: "udp" | "tcp") => Packet | Buffer | undefined;

/** A name server on loopback, UDP and TCP on one port, that says what the test wants. */
export class DnsUpstream implements AsyncDisposable {
  readonly asked: { readonly name: string; readonly way: "udp" | "tcp"; readonly query: Reply }[] = [];
  readonly #udp = createSocket("udp4");
  readonly #connections = new Set<Socket>();
  readonly #tcp = createServer((socket) => {
    this.#connections.add(socket);
    socket.on("error", () => {});
    socket.on("data", (bytes: Buffer) => {
      const answer = this.#answer(bytes.subarray(2), "tcp");
      if (answer === undefined) return;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(answer.length);
      socket.write(Buffer.concat([length, answer]));
    });
  });
  behaviour: Behaviour;

  private constructor(behaviour: Behaviour) {
    this.behaviour = behaviour;
    this.#udp.on("message", (bytes, { address, port }) => {
      const answer = this.#answer(bytes, "udp");
      if (answer !== undefined) this.#udp.send(answer, port, address);
    });
  }

  static async open(behaviour: Behaviour): Promise<DnsUpstream> {
    const upstream = new DnsUpstream(behaviour);
    await new Promise<void>((resolve) => upstream.#tcp.listen(0, "127.0.0.1", resolve));
    await new Promise<void>((resolve) => upstream.#udp.bind(upstream.server.port, "127.0.0.1", resolve));
    return upstream;
  }

  get server(): DnsServerAddress {
    const address = this.#tcp.address();
    if (address === null || typeof address === "string") throw new Error("the upstream is closed");
    return { address: "127.0.0.1", port: address.port };
  }

  #answer(bytes: Buffer, way: "udp" | "tcp"): Buffer | undefined {
    const query = decode(bytes);
    this.asked.push({ name: query.questions?.[0]?.name ?? "", way, query });
    const answer = this.behaviour(query, way);
    return answer === undefined || Buffer.isBuffer(answer) ? answer : dnsPacket.encode(answer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#udp.close();
    for (const socket of this.#connections) socket.destroy();
    await new Promise((resolve) => this.#tcp.close(resolve));
  }
}

/** A reply that repeats the question, as it has to. */
export function replyTo(
  query: Reply,
  fields: { rcode?: number; flags?: number; answers?: Answer[]; authorities?: Answer[] } = {},
): Packet {
  const { rcode = 0, flags = 0, answers = [], authorities = [] } = fields;
  return {
    type: "response",
    id: query.id,
    flags: 0x0180 | flags | rcode,
    questions: query.questions,
    answers,
    authorities,
  };
}

export const addressOf = (query: Reply, data: string, ttl = 300): Packet =>
  replyTo(query, { answers: [{ type: "A", name: query.questions?.[0]?.name ?? "", ttl, data }] });
