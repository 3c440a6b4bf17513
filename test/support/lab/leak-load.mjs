/**
 * Tries without a pause to reach the given addresses on the web (TCP 80) and as name servers (UDP 53), each time by a socket
 * of its own; every other one is bound to the address that this host has on `eth0`, as of a program that chooses its way.
 *
 *     node leak-load.mjs ADDRESS…         says `turn N` as it goes on
 */
import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";

const TURN_MS = 20;
const PATIENCE_MS = 300;

const addresses = process.argv.slice(2);
let turn = 0;

function ownAddress(family) {
  const own = networkInterfaces().eth0 ?? [];
  return own.find((each) => each.family === family && !each.address.startsWith("fe80"))?.address;
}

setInterval(() => {
  turn += 1;
  process.stdout.write(`turn ${turn}\n`);
  for (const address of addresses) {
    const [family, type] = address.includes(":") ? ["IPv6", "udp6"] : ["IPv4", "udp4"];
    const bound = turn % 2 === 0 ? ownAddress(family) : undefined;
    const udp = createSocket(type);
    const end = () => udp.close();
    udp.on("error", () => undefined);
    udp.bind(0, bound, () => udp.send("?", 53, address, end));
    const tcp = connect({ host: address, port: 80, localAddress: bound });
    tcp.on("error", () => undefined);
    setTimeout(() => tcp.destroy(), PATIENCE_MS);
  }
}, TURN_MS);
