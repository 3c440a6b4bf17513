import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ScriptError } from "../../../scripts/lib/console.mjs";
import { meshEntryPoint } from "../../../scripts/lib/project.mjs";
import { runInside, startInside } from "../inside.mjs";
import { makePair, OUTER, TUNNEL_MTU } from "../pair.mjs";

const SERVER_URL = `https://${OUTER.right}:8443`;
const READY_TIMEOUT_MS = 30_000;

/**
 * This project as its users have it: two daemons that joined a coordinator. The coordinator runs at the right end; its
 * CPU time is not counted.
 * @param {{name: string, aeadProvider: string, dist?: string}} options
 */
export function daemons({ name, aeadProvider, dist }) {
  const entryPoint = dist === undefined ? meshEntryPoint : join(resolve(dist), "cli/main.js");
  const environment = aeadProvider === "auto" ? [] : [`MESH_AEAD=${aeadProvider}`];
  const command = (home, args) => [...environment, process.execPath, entryPoint, "--home", home, ...args];
  return {
    name,
    kind: "mesh",
    async start(defer) {
      const pair = await makePair(name, defer);
      const home = (side) => join(pair.folder, side);
      const mesh = async (side, of, ...args) => {
        const { status, stdout, stderr } = await runInside(pair[side], "env", command(home(of), args));
        if (status !== 0) throw new ScriptError(`mesh ${args.join(" ")}: ${stderr.trim()}`);
        return JSON.parse(stdout);
      };

      const server = startInside(pair.right, "env", command(home("server"), ["serve", "--public-url", SERVER_URL]));
      defer(() => server.stop());
      await server.waitFor(/^ready /m, READY_TIMEOUT_MS);
      const pids = [];
      for (const side of ["left", "right"]) {
        const { token } = await mesh("right", "server", "token", "create", "--name", side, "--json");
        const from = ["--server", SERVER_URL, "--token", token];
        const join = ["join", ...from, "--name", side, "--mtu", String(TUNNEL_MTU)];
        const daemon = startInside(pair[side], "env", command(home(side), join));
        defer(() => daemon.stop());
        pids.push(daemon.pid);
      }
      const status = (side) => mesh(side, side, "status", "--json");
      for (const side of ["left", "right"]) await untilConnected(() => status(side));

      const { self } = await status("right");
      const { dataPlane } = await status("left");
      const { aeadProvider: provider, aeadWhy, offloads } = dataPlane;
      const details = { provider, aeadWhy, offloads };
      return { ...pair, address: self.ip4, pids, serverPid: server.pid, version: provider, details };
    },
  };
}

/** Waits until the daemon has a path to its peer. @throws ScriptError with its last answer */
async function untilConnected(status) {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  let last = "no answer";
  while (Date.now() < deadline) {
    try {
      const { state, peers } = await status();
      if (peers.some((peer) => peer.path != null)) return;
      last = state;
    } catch (failure) {
      last = failure.message;
    }
    await sleep(200);
  }
  throw new ScriptError(`a daemon finds no path to its peer (${last})`);
}
