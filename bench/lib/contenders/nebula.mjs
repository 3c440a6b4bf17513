import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mustRun, run } from "../../../scripts/lib/process.mjs";
import { startInside } from "../inside.mjs";
import { INNER, makePair, OUTER, TUNNEL_MTU } from "../pair.mjs";

const PORT = 4242;

export async function nebulaVersion(path) {
  const { stdout, stderr } = await run(path, ["-version"]);
  return /Version: (\S+)/.exec(stdout + stderr)?.[1] ?? "unknown";
}

/** nebula with its default settings but for the MTU, which all contenders share, and no lighthouse. */
export function nebula({ path, certPath, version }) {
  return {
    name: "nebula",
    kind: "nebula",
    async start(defer) {
      const pair = await makePair("nebula", defer);
      const authority = [join(pair.folder, "ca.crt"), join(pair.folder, "ca.key")];
      await mustRun(certPath, ["ca", "-name", "bench", "-out-crt", authority[0], "-out-key", authority[1]]);
      const pids = [];
      for (const [side, other] of [
        ["left", "right"],
        ["right", "left"],
      ]) {
        const file = await writeConfig({ pair, side, other, certPath, authority });
        pids.push(startInside(pair[side], path, ["-config", file]).pid);
      }
      return { ...pair, address: INNER.right, pids, version, details: {} };
    },
  };
}

async function writeConfig({ pair, side, other, certPath, authority }) {
  const folder = join(pair.folder, side);
  mkdirSync(folder, { mode: 0o700 });
  const cert = join(folder, "host.crt");
  const key = join(folder, "host.key");
  const from = ["-ca-crt", authority[0], "-ca-key", authority[1]];
  const subject = ["-name", side, "-ip", `${INNER[side]}/24`];
  await mustRun(certPath, ["sign", ...from, ...subject, "-out-crt", cert, "-out-key", key]);
  const allowAll = [{ port: "any", proto: "any", host: "any" }];
  const config = {
    pki: { ca: authority[0], cert, key },
    static_host_map: { [INNER[other]]: [`${OUTER[other]}:${PORT}`] },
    lighthouse: { am_lighthouse: false },
    listen: { host: "0.0.0.0", port: PORT },
    tun: { dev: "nebula1", mtu: TUNNEL_MTU },
    logging: { level: "error" },
    firewall: { outbound: allowAll, inbound: allowAll },
  };
  const file = join(folder, "config.yml");
  // YAML contains JSON.
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
  return file;
}
