/**
 * The port mapping client of dist/, with a socket on the port that it maps.
 *
 *     node map-port.mjs '{"port": 51820, "gateway": "10.0.0.1", "localAddress": "10.0.0.2", "secret": "x"}'
 *
 * Prints `{"mapping": …}` whenever the mapping changes and `{"received": "TEXT"}` for every datagram; asks the gateway anew
 * at each line on stdin, and gives the mapping back at its end.
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { systemClock } from "../../../dist/base/clock.js";
import { silentLogger } from "../../../dist/base/logger.js";
import { portMappingNonce } from "../../../dist/nat/port-mapping/port-mapper.js";
import { PortMappingClient } from "../../../dist/nat/port-mapping/port-mapping-client.js";

const { port, gateway, localAddress, secret } = JSON.parse(process.argv[2]);
const print = (value) => console.log(JSON.stringify(value));

const mapped = createSocket("udp4");
mapped.on("message", (bytes) => print({ received: String(bytes) }));
mapped.bind(port);
await once(mapped, "listening");

const client = new PortMappingClient(
  {
    internalPort: port,
    nonce: portMappingNonce(Buffer.from(secret)),
    onMapping: (mapping) => print({ mapping: mapping ?? null }),
  },
  { clock: systemClock, logger: silentLogger },
);
client.setNetwork({ gateway, localAddress });
for await (const _line of createInterface({ input: process.stdin })) client.setNetwork({ gateway, localAddress });
await client.close();
mapped.close();
