/**
 * Sends datagrams from a file, over and over, at a rate.
 *
 *     node send-datagrams.mjs '{"file": "PATH", "address": "192.0.2.1", "port": 51820, "total": 1000, "perSecond": 500,
 *                               "localAddress": "192.0.2.9", "localPort": 4000}'
 *
 * The file holds each datagram behind its size, u16 little-endian. `perSecond` 0 is as fast as the socket takes them.
 * At the end: {"sent": 1000}
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

const { file, address, port, total, perSecond = 0, localAddress, localPort } = JSON.parse(process.argv[2]);

/** Datagrams between two looks at the clock. */
const BURST = 32;

const datagrams = [];
const bytes = readFileSync(file);
for (let at = 0; at < bytes.length; ) {
  const sizeBytes = bytes.readUInt16LE(at);
  datagrams.push(bytes.subarray(at + 2, at + 2 + sizeBytes));
  at += 2 + sizeBytes;
}

const socket = createSocket({ type: address.includes(":") ? "udp6" : "udp4", sendBufferSize: 1 << 20 });
socket.bind({ address: localAddress, port: localPort ?? 0 });
await once(socket, "listening");
const send = (datagram) =>
  // An ICMP error of an earlier one, or a full queue, is no reason to stop.
  new Promise((resolve) => socket.send(datagram, port, address, () => resolve()));

const startedAtMs = performance.now();
for (let sent = 0; sent < total; sent += BURST) {
  const burst = Math.min(BURST, total - sent);
  await Promise.all(Array.from({ length: burst }, (_, i) => send(datagrams[(sent + i) % datagrams.length])));
  if (perSecond === 0) continue;
  const aheadMs = ((sent + burst) / perSecond) * 1000 - (performance.now() - startedAtMs);
  if (aheadMs > 1) await delay(aheadMs);
}
socket.close();
process.stdout.write(`${JSON.stringify({ sent: total })}\n`);
