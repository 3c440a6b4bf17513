/**
 * Tells every caller its own address, v4 and v6: over HTTP on port 80, and as a name server, whatever name is asked for, in a
 * TXT record `udp ADDRESS` or `tcp ADDRESS`. Names that begin with `long` are told over TCP alone.
 *
 *     node who-asks.mjs [http]          http: no name server
 */
import { createSocket } from "node:dgram";
import { createServer } from "node:http";
import { createServer as createTcpServer } from "node:net";
import dnsPacket from "dns-packet";

const DNS_PORT = 53;

const plain = (address = "") => address.replace(/^::ffff:/, "");

/** Undefined for what is no query: a part of the load sends anything. */
function answerTo(query, way, address) {
  try {
    const { id, questions } = dnsPacket.decode(query);
    const [{ name }] = questions;
    const isCut = way === "udp" && name.startsWith("long.");
    const flags =
      dnsPacket.RECURSION_DESIRED | dnsPacket.RECURSION_AVAILABLE | (isCut ? dnsPacket.TRUNCATED_RESPONSE : 0);
    const answers = isCut ? [] : [{ type: "TXT", name, ttl: 0, data: `${way} ${plain(address)}` }];
    return dnsPacket.encode({ type: "response", id, flags, questions, answers });
  } catch {
    return undefined;
  }
}

const http = createServer(({ socket }, response) => response.end(plain(socket.remoteAddress)));
const udp = createSocket({ type: "udp6" });
udp.on("message", (query, { address, port }) => {
  const answer = answerTo(query, "udp", address);
  if (answer !== undefined) udp.send(answer, port, address);
});
const tcp = createTcpServer((socket) => {
  socket.on("error", () => undefined);
  // Queries are so short that each comes in one piece.
  socket.on("data", (bytes) => {
    const answer = answerTo(bytes.subarray(2), "tcp", socket.remoteAddress);
    if (answer === undefined) return;
    const size = Buffer.alloc(2);
    size.writeUInt16BE(answer.length);
    socket.write(Buffer.concat([size, answer]));
  });
});
const ready = () => process.stdout.write("listening\n");
http.listen(80, "::", () => {
  if (process.argv[2] === "http") ready();
  else tcp.listen(DNS_PORT, "::", () => udp.bind(DNS_PORT, "::", ready));
});
