/** Tells every caller its own address: over HTTP on port 80, over UDP on port 53, v4 and v6. */
import { createSocket } from "node:dgram";
import { createServer } from "node:http";

const plain = (address = "") => address.replace(/^::ffff:/, "");

const http = createServer(({ socket }, response) => response.end(plain(socket.remoteAddress)));
const udp = createSocket({ type: "udp6" });
udp.on("message", (_, { address, port }) => udp.send(plain(address), port, address));
http.listen(80, "::", () => udp.bind(53, "::", () => process.stdout.write("listening\n")));
