/**
 * One TCP connection that carries random bytes one way, for as long as the sender's standard input is open. At the end
 * each side tells a digest of what it has sent or received.
 *
 *     node tcp-transfer.mjs receive PORT                            says `listening`, serves one connection
 *     node tcp-transfer.mjs send ADDRESS PORT BYTES_PER_SECOND      0: as fast as it goes
 *
 * At the end: {"bytes": 1, "sha256": "hex"}; of the receiver also "longestPauseMs", between two pieces that arrived.
 */
import { createCipheriv, createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { finished } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";

/** No multiple of anything that segments are made of. */
const CHUNK_BYTES = 65_521;
const TURN_MS = 10;

const report = (result) => process.stdout.write(`${JSON.stringify(result)}\n`);

async function send(socket, bytesPerSecond) {
  const digest = createHash("sha256");
  const noise = createCipheriv("aes-128-ctr", randomBytes(16), randomBytes(16));
  const zeros = Buffer.alloc(bytesPerSecond === 0 ? CHUNK_BYTES : Math.ceil((bytesPerSecond * TURN_MS) / 1000));
  let bytes = 0;
  let isOver = false;
  process.stdin.once("end", () => {
    isOver = true;
  });
  process.stdin.resume();
  while (!isOver) {
    const chunk = noise.update(zeros);
    digest.update(chunk);
    bytes += chunk.length;
    if (!socket.write(chunk)) await once(socket, "drain");
    if (bytesPerSecond > 0) await delay(TURN_MS);
  }
  socket.end();
  socket.resume();
  await finished(socket);
  report({ bytes, sha256: digest.digest("hex") });
}

async function receive(socket) {
  const digest = createHash("sha256");
  let bytes = 0;
  let longestPauseMs = 0;
  let latestMs = performance.now();
  socket.on("data", (chunk) => {
    digest.update(chunk);
    bytes += chunk.length;
    const nowMs = performance.now();
    longestPauseMs = Math.max(longestPauseMs, nowMs - latestMs);
    latestMs = nowMs;
  });
  await finished(socket, { writable: false });
  socket.end();
  report({ bytes, sha256: digest.digest("hex"), longestPauseMs });
}

const [mode, ...words] = process.argv.slice(2);
if (mode === "receive") {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    server.close();
    void receive(socket);
  });
  server.listen(Number(words[0]), () => process.stdout.write("listening\n"));
} else {
  const [host, port, bytesPerSecond] = words;
  const socket = connect({ host, port: Number(port), allowHalfOpen: true });
  await once(socket, "connect");
  process.stdout.write("connected\n");
  await send(socket, Number(bytesPerSecond));
}
