import type { LabHost } from "./lab-host.ts";
import type { LabProcess } from "./lab-process.ts";

const PROGRAM = `
  const { createServer } = require("node:http");
  const { connect } = require("node:net");
  const server = createServer();
  server.on("connect", (request, client) => {
    client.on("error", () => {});
    const isKnown = request.headers["proxy-authorization"] === "Basic " + Buffer.from("alice:secret").toString("base64");
    if (!isKnown) return client.end("HTTP/1.1 407 Proxy Authentication Required\\r\\n\\r\\n");
    const { hostname, port } = new URL("http://" + request.url);
    const upstream = connect(Number(port || 80), hostname, () => {
      client.write("HTTP/1.1 200 Connection Established\\r\\n\\r\\n");
      upstream.pipe(client).pipe(upstream);
    });
    upstream.on("error", () => client.destroy());
    client.on("close", () => upstream.destroy());
    console.log("tunnel to " + request.url);
  });
  server.listen(3128, process.argv[1], () => console.log("listening"));
`;

/** Starts an HTTP proxy that lets in `alice` with the password `secret`, and prints `tunnel to HOST:PORT` for each CONNECT. */
export async function startHttpProxy(
  host: LabHost,
  address: string,
  wrapper: readonly string[] = [],
): Promise<LabProcess> {
  const [program = process.execPath, ...args] = [...wrapper, process.execPath, "-e", PROGRAM, address];
  const proxy = await host.start(program, args);
  await proxy.waitForOutput(/listening/);
  return proxy;
}
