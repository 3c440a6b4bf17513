// Asks a name server over UDP at a steady rate, whether it answers or not, and prints how long the answers took:
//
//     node bench/dns/load.mjs ADDRESS QUERIES_PER_SECOND SECONDS NAME/TYPE…
import { createSocket } from "node:dgram";
import { setTimeout as sleep } from "node:timers/promises";
import dnsPacket from "dns-packet";
import { quantile } from "../lib/statistics.mjs";

const [address, rate, seconds, ...questions] = process.argv.slice(2);
/** Each query has an id of its own. */
const total = Math.min(Number(rate) * Number(seconds), 65_536);
const messages = questions.map((question) => {
  const [name, type] = question.split("/");
  return dnsPacket.encode({ type: "query", flags: dnsPacket.RECURSION_DESIRED, questions: [{ name, type }] });
});

const sentAtMs = new Float64Array(total);
const tookMs = [];
const socket = createSocket("udp4");
socket.on("message", (reply) => tookMs.push(performance.now() - sentAtMs[reply.readUInt16BE(0)]));
await new Promise((resolve) => socket.connect(53, address, resolve));

const startedAtMs = performance.now();
for (let sent = 0; sent < total; ) {
  const due = Math.min(total, Math.floor(((performance.now() - startedAtMs) * Number(rate)) / 1000) + 1);
  for (; sent < due; sent++) {
    const query = Buffer.from(messages[sent % messages.length]);
    query.writeUInt16BE(sent, 0);
    sentAtMs[sent] = performance.now();
    socket.send(query);
  }
  await sleep(1);
}
const elapsedSeconds = (performance.now() - startedAtMs) / 1000;
await sleep(1000);
socket.close();
const [medianMs, p99Ms, worstMs] = [0.5, 0.99, 1].map((fraction) => quantile(tookMs, fraction));
const record = {
  asked: total,
  answered: tookMs.length,
  queriesPerSecond: total / elapsedSeconds,
  medianMs,
  p99Ms,
  worstMs,
};
process.stdout.write(`${JSON.stringify(record)}\n`);
