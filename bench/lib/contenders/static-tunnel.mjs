import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { projectRoot } from "../../../scripts/lib/project.mjs";
import { startInside } from "../inside.mjs";
import { makeKeyPair } from "../keys.mjs";
import { INNER, makePair, OUTER, TUNNEL_MTU } from "../pair.mjs";

const PROGRAM = join(projectRoot, "test/support/static-tunnel.mjs");
const PORT = 51820;

/**
 * This project's data plane, two tunnels with fixed peers.
 * @param {{name: string, aeadProvider: string, dist?: string, nodeArgs?: string[], filter?: object[]}} options
 *   `dist`: the built output to run, in place of dist/; `filter`: rules of the packet filter at both ends
 */
export function staticTunnel({ name, aeadProvider, dist, nodeArgs = [], filter }) {
  return {
    name,
    kind: "mesh",
    async start(defer) {
      const pair = await makePair(name, defer);
      const keys = { left: makeKeyPair(), right: makeKeyPair() };
      const pids = [];
      const programs = {};
      let info;
      let asked = 0;
      for (const [side, other] of [
        ["left", "right"],
        ["right", "left"],
      ]) {
        const config = { ...configOf(side, other, keys, aeadProvider), ...(filter && { filter }) };
        const file = join(pair.folder, `${side}.json`);
        writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
        const program = startTunnel(pair[side], file, { dist, nodeArgs });
        const [line] = await program.waitFor(/^\{"event":"ready".*\}$/m);
        info = JSON.parse(line).info;
        programs[side] = { program, requests: `${file}.stdin` };
        pids.push(program.pid);
      }
      const { aeadProvider: provider, aeadWhy, offloads } = info;
      /** How many connections the packet filter of `side` tracks. */
      const connections = async (side) => {
        const { program, requests } = programs[side];
        const id = ++asked;
        appendFileSync(requests, `${JSON.stringify({ command: "connections", id })}\n`);
        const [, count] = await program.waitFor(new RegExp(`^{"id":${id},"connections":(\\d+)}$`, "m"));
        return Number(count);
      };
      const details = { provider, aeadWhy, offloads };
      return { ...pair, address: INNER.right, pids, connections, version: provider, details };
    },
  };
}

function startTunnel(namespace, file, { dist, nodeArgs }) {
  const environment = dist === undefined ? [] : [`MESH_DIST=${pathToFileURL(dist).href.replace(/\/$/, "")}/`];
  // The tunnel closes at the end of its standard input: a pipe that is open for writing in its own hands has none.
  const withoutEnd = 'mkfifo "$0" && exec "$@" <>"$0"';
  const tunnel = ["env", ...environment, process.execPath, ...nodeArgs, PROGRAM, file];
  return startInside(namespace, "sh", ["-c", withoutEnd, `${file}.stdin`, ...tunnel]);
}

function configOf(side, other, keys, aeadProvider) {
  return {
    interfaceName: "mesh0",
    mtu: TUNNEL_MTU,
    listenPort: PORT,
    privateKey: keys[side].privateKey,
    aeadProvider,
    addresses: [`${INNER[side]}/24`],
    peers: [
      {
        publicKey: keys[other].publicKey,
        allowedIps: [`${INNER[other]}/32`],
        endpoints: [`${OUTER[other]}:${PORT}`],
      },
    ],
  };
}
