/**
 * The STUN client of dist/ on a real UDP socket.
 *
 *     node ask-servers.mjs '{"port": 51820, "addresses": ["10.0.0.2"], "servers": [{"address": "203.0.113.8", "port": 3478}]}'
 *
 * Prints a line of JSON for every action that is no `send`, and asks anew at each line on stdin; ends with stdin.
 */
import { randomFillSync } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { StunClient } from "../../../dist/nat/stun/stun-client.js";

const { port, addresses, servers } = JSON.parse(process.argv[2]);
const isIpv6 = servers[0].address.includes(":");
const socket = createSocket(isIpv6 ? { type: "udp6", ipv6Only: true } : { type: "udp4" });
socket.bind(port);
await once(socket, "listening");

const client = new StunClient({ random: (bytes) => void randomFillSync(bytes) });
let timer;

function tell(event) {
  for (const action of client.handle(event, performance.now())) {
    if (action.type !== "send") console.log(JSON.stringify(action));
    // A network that is down refuses the datagram; the client sends it again.
    else for (const to of action.destinations) socket.send(action.bytes, to.port, to.address, () => undefined);
  }
  clearTimeout(timer);
  const waitMs = client.nextDeadlineMs() - performance.now();
  if (Number.isFinite(waitMs)) timer = setTimeout(() => tell({ type: "tick" }), Math.max(0, waitMs));
}

socket.on("message", (bytes, { address, port: from }) =>
  tell({ type: "datagram", bytes, source: { address, port: from } }),
);
tell({ type: "servers", servers });
tell({ type: "network-changed", local: { addresses, port: socket.address().port } });
for await (const _line of createInterface({ input: process.stdin })) tell({ type: "measure" });
process.exit();
