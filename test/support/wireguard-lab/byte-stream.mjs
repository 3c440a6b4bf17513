/**
 * A TCP connection that carries random bytes both ways at once; what each side sent and received is told as digests.
 *
 *     node byte-stream.mjs listen PORT SEND_BYTES             says `listening`, serves one connection
 *     node byte-stream.mjs connect ADDRESS PORT SEND_BYTES
 *
 * At the end: {"sentBytes": 1, "sent": "sha256 hex", "receivedBytes": 1, "received": "sha256 hex"}
 */
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { finished } from "node:stream/promises";

/** No multiple of anything that segments are made of. */
const CHUNK_BYTES = 65_521;

async function send(socket, sizeBytes) {
  const digest = createHash("sha256");
  const noise = createCipheriv("aes-128-ctr", randomBytes(16), randomBytes(16));
  for (let left = sizeBytes; left > 0; left -= CHUNK_BYTES) {
    const chunk = noise.update(Buffer.alloc(Math.min(left, CHUNK_BYTES)));
    digest.update(chunk);
    if (!socket.write(chunk)) await once(socket, "drain");
  }
  socket.end();
  return digest.digest("hex");
}

async function receive(socket) {
  const digest = createHash("sha256");
  let bytes = 0;
  socket.on("data", (chunk) => {
    digest.update(chunk);
    bytes += chunk.length;
  });
  await finished(socket, { writable: false });
  return { bytes, hex: digest.digest("hex") };
}

async function exchange(socket, sendBytes) {
  const [sent, received] = await Promise.all([send(socket, sendBytes), receive(socket)]);
  const report = { sentBytes: sendBytes, sent, receivedBytes: received.bytes, received: received.hex };
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

const [mode, ...words] = process.argv.slice(2);
if (mode === "listen") {
  const [port, sendBytes] = words.map(Number);
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    server.close();
    void exchange(socket, sendBytes);
  });
  server.listen(port, "::", () => process.stdout.write("listening\n"));
  // A host without IPv6 has no "::".
  server.once("error", () => server.listen(port, "0.0.0.0", () => process.stdout.write("listening\n")));
} else {
  const [address, port, sendBytes] = words;
  const socket = connect({ host: address, port: Number(port), allowHalfOpen: true });
  await once(socket, "connect");
  await exchange(socket, Number(sendBytes));
}
