import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ScriptError } from "../../../scripts/lib/console.mjs";
import { configureDevice } from "../../../scripts/lib/netns.mjs";
import { run } from "../../../scripts/lib/process.mjs";
import { runInside, startInside } from "../inside.mjs";
import { makeKeyPair } from "../keys.mjs";
import { INNER, makePair, OUTER, TUNNEL_MTU } from "../pair.mjs";

const DEVICE = "wg0";
const PORT = 51820;

/** The version that the binary at `path` claims, such as `0.0.20231211`. */
export async function wireguardGoVersion(path) {
  const { stdout, stderr } = await run(path, ["--version"]);
  const version = /wireguard-go v?(\d[\w.]*)/.exec(stdout + stderr)?.[1];
  if (version === undefined) throw new ScriptError(`${path} is not a wireguard-go: it tells no version`);
  return version;
}

/** Since this release wireguard-go uses the segmentation offloads of TUN and UDP. */
export const hasOffloads = (version) => version >= "0.0.20230223";

/** wireguard-go as it comes, with its default settings. */
export function wireguardGo({ name, path, version }) {
  return {
    name,
    kind: "wireguard-go",
    async start(defer) {
      const pair = await makePair(name.replaceAll(".", "-"), defer);
      const keys = { left: makeKeyPair(), right: makeKeyPair() };
      const pids = [];
      for (const [side, other] of [
        ["left", "right"],
        ["right", "left"],
      ]) {
        pids.push(await startEnd(pair, side, path));
        await configureEnd(pair, side, keys[side], { ...keys[other], side: other });
      }
      return { ...pair, address: INNER.right, pids, version, details: {} };
    },
  };
}

async function startEnd(pair, side, path) {
  const environment = ["LOG_LEVEL=error", "WG_PROCESS_FOREGROUND=1"];
  const program = startInside(pair[side], "env", [...environment, path, "-f", DEVICE]);
  await untilConfigurable(pair[side], program);
  return program.pid;
}

async function untilConfigurable(namespace, program) {
  const deadline = Date.now() + 10_000;
  while (Date.now() < deadline && program.isRunning) {
    if ((await runInside(namespace, "wg", ["show", DEVICE])).status === 0) return;
    await sleep(50);
  }
  throw new ScriptError("wireguard-go does not answer wg(8)");
}

async function configureEnd(pair, side, own, peer) {
  const file = join(pair.folder, `${side}.conf`);
  const lines = [
    "[Interface]",
    `PrivateKey = ${own.privateKey}`,
    `ListenPort = ${PORT}`,
    "[Peer]",
    `PublicKey = ${peer.publicKey}`,
    `Endpoint = ${OUTER[peer.side]}:${PORT}`,
    `AllowedIPs = ${INNER[peer.side]}/32`,
  ];
  writeFileSync(file, `${lines.join("\n")}\n`, { mode: 0o600 });
  const { status, stderr } = await runInside(pair[side], "wg", ["setconf", DEVICE, file]);
  if (status !== 0) throw new ScriptError(`wg setconf: ${stderr.trim()}`);
  const end = { namespace: pair[side], device: DEVICE, addresses: [`${INNER[side]}/24`] };
  await configureDevice(end, { mtu: TUNNEL_MTU });
}
