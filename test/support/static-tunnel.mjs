/**
 * Runs one tunnel from a JSON file in the current network namespace, for lab tests and benchmarks against other
 * implementations of WireGuard: fixed peers and addresses, no coordinator. Runs from built output (`npm run build`).
 *
 *     node test/support/static-tunnel.mjs CONFIG.json
 *
 *     {"interfaceName": "wg0", "mtu": 1420, "listenPort": 51820, "privateKey": "base64", "aeadProvider": "auto",
 *      "fwmark": 0, "timings": {}, "addresses": ["10.0.0.1/24"], "routes": ["10.1.0.0/16"],
 *      "peers": [{"publicKey": "base64", "presharedKey": "base64", "allowedIps": [], "endpoints": [],
 *                 "persistentKeepaliveSeconds": 0}], "filter": […]}
 *
 * `filter`: rules of the packet filter, with addresses as text; all that they do not refuse is allowed.
 *
 * Control is by lines, a JSON object each: on stdin a request with `command`, on stdout its answer, in order.
 *
 *     {"command": "status"}                                  {"command": "ping", "publicKey": "…", "timeoutMs": 1000}
 *     {"command": "configure", "peers": […]}                 {"command": "set-private-key", "privateKey": "…"|null}
 *     {"command": "connections", "id": 1}                    {"command": "close"}
 *
 * First comes `{"event": "ready", "info": …}`, or `{"event": "failed", …}` and exit status 1; `{"event": "fatal", …}` when
 * the data thread ends by itself. SIGTERM and the end of stdin close the tunnel.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const dist = new URL(process.env.MESH_DIST ?? "../../dist/", import.meta.url);
const { systemClock } = await import(new URL("base/clock.js", dist));
const { asMeshError } = await import(new URL("base/errors.js", dist));
const { silentLogger } = await import(new URL("base/logger.js", dist));
const { parseCidr } = await import(new URL("packet/cidr.js", dist));
const { Tunnel } = await import(new URL("router/tunnel/tunnel.js", dist));

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const key = (text) => new Uint8Array(Buffer.from(text, "base64"));
const peerOf = ({ presharedKey, ...peer }) => ({
  allowedIps: [],
  endpoints: [],
  persistentKeepaliveSeconds: 0,
  ...peer,
  ...(presharedKey === undefined ? {} : { presharedKey: key(presharedKey) }),
});

const ruleOf = ({ sources, ...rule }, slot) => ({
  protocol: "tcp,udp",
  ports: null,
  peers: null,
  sources: sources?.map(parseCidr) ?? null,
  destinations: null,
  slot,
  ...rule,
});

const ip = (...words) => execFileSync("ip", words, { stdio: ["ignore", "ignore", "inherit"] });

async function open(config) {
  const { addresses = [], routes = [], peers = [], filter, privateKey, ...options } = config;
  const logger = { ...silentLogger, warn: (fields, message) => say({ event: "warning", message, ...fields }) };
  const tunnel = await Tunnel.open({ ...options, privateKey: key(privateKey) }, { logger, clock: systemClock });
  tunnel.onFatal((failure) => say({ event: "fatal", ...failure.toBody() }));
  if (filter !== undefined) {
    const defaults = { in: "allow", out: "allow" };
    tunnel.useFilter({ rules: filter.map(ruleOf), defaults, oneWay: new Map() });
  }
  ip("link", "set", options.interfaceName, "mtu", String(options.mtu), "up");
  for (const address of addresses) ip("address", "add", address, "dev", options.interfaceName);
  for (const route of routes) ip("route", "add", route, "dev", options.interfaceName);
  tunnel.configurePeers(peers.map(peerOf));
  return tunnel;
}

async function answer(tunnel, request) {
  switch (request.command) {
    case "status":
      return {
        info: tunnel.info,
        peers: tunnel.peers(),
        drops: tunnel.dropCounters(),
        counters: tunnel.interfaceCounters(),
      };
    case "configure":
      tunnel.configurePeers(request.peers.map(peerOf));
      return { done: true };
    case "set-private-key":
      tunnel.setPrivateKey(request.privateKey === null ? undefined : key(request.privateKey));
      return { done: true };
    case "ping":
      return tunnel.ping(request.publicKey, { timeoutMs: request.timeoutMs ?? 1000 });
    case "connections":
      return { id: request.id, connections: tunnel.filterCells.connections };
    case "close":
      await tunnel.close();
      return { done: true };
    default:
      throw new Error(`no such command: ${request.command}`);
  }
}

let tunnel;
try {
  tunnel = await open(JSON.parse(readFileSync(process.argv[2], "utf8")));
} catch (failure) {
  say({ event: "failed", ...asMeshError(failure).toBody() });
  process.exit(1);
}
process.once("SIGTERM", () => void tunnel.close().then(() => process.exit(0)));
say({ event: "ready", info: tunnel.info });
for await (const line of createInterface({ input: process.stdin })) {
  let request = {};
  try {
    request = JSON.parse(line);
    say(await answer(tunnel, request));
  } catch (failure) {
    say(asMeshError(failure).toBody());
  }
  if (request.command === "close") break;
}
await tunnel.close();
