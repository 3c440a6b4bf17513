/**
 * Answers on the TCP and UDP ports given, of every address, v4 and v6: over HTTP with the port's number (and, at `/drip`,
 * with a line every 50 ms for ever), over UDP with what it was sent. Says of each datagram `PORT heard BYTES from SOURCE PORT`.
 */
import { createSocket } from "node:dgram";
import { createServer } from "node:http";

const ports = process.argv.slice(2).map(Number);

await Promise.all(
  ports.flatMap((port) => {
    const http = createServer((request, response) => {
      if (request.url !== "/drip") {
        response.end(`port ${port}\n`);
        return;
      }
      const drip = setInterval(() => response.write("drip\n"), 50);
      response.once("close", () => clearInterval(drip));
    });
    const udp = createSocket({ type: "udp6" });
    udp.on("message", (bytes, { address, port: back }) => {
      process.stdout.write(`${port} heard ${bytes.length} from ${address} ${back}\n`);
      udp.send(bytes, back, address);
    });
    return [
      new Promise((resolve) => http.listen(port, "::", () => resolve(undefined))),
      new Promise((resolve) => udp.bind(port, "::", () => resolve(undefined))),
    ];
  }),
);
process.stdout.write("listening\n");
