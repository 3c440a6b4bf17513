import type { LabHost } from "./lab-host.ts";

const PORT = 8080;
const SERVER = `require("node:http").createServer((request, response) => {
  response.end(request.socket.remoteAddress.replace(/^::ffff:/, ""));
}).listen(${PORT}, "::", () => console.log("ready"));`;

/** Has a host answer every HTTP request with the address that it came from. */
export async function serveCallersAddress(host: LabHost): Promise<void> {
  const server = await host.start(process.execPath, ["-e", SERVER]);
  await server.waitForOutput(/ready/);
}

/** By what address `from` comes to the web server at `address`; undefined where it does not within `seconds`. */
export async function callersAddress(from: LabHost, address: string, seconds = 1): Promise<string | undefined> {
  const host = address.includes(":") ? `[${address}]` : address;
  const args = ["--silent", "--fail", "--noproxy", "*", "--max-time", String(seconds), `http://${host}:${PORT}/`];
  const { status, stdout } = await from.run("curl", ...args);
  return status === 0 ? stdout : undefined;
}
