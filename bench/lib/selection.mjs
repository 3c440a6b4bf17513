import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { ScriptError } from "../../scripts/lib/console.mjs";
import { findCommand } from "../../scripts/lib/process.mjs";
import { daemons } from "./contenders/daemons.mjs";
import { nebula, nebulaVersion } from "./contenders/nebula.mjs";
import { staticTunnel } from "./contenders/static-tunnel.mjs";
import { veth } from "./contenders/veth.mjs";
import { wireguardGo, wireguardGoVersion } from "./contenders/wireguard-go.mjs";
import { fetchWireguardGo } from "./fetch-wireguard-go.mjs";

/**
 * The contenders that the options ask for and this machine has.
 * @param {object} options of the command line
 * @param {(undo: () => unknown) => void} defer registers what is to be undone at the end
 * @returns {Promise<{name: string, kind: string, start: Function}[]>}
 * @throws ScriptError when `--only` names one that is not there
 */
export async function selectContenders(options, defer) {
  const all = [...ours(options), ...(await wireguardGos(options, defer)), ...(await nebulas()), veth()];
  const names = all.map((contender) => contender.name);
  const unknown = (options.only ?? []).filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new ScriptError(`no contender ${unknown.join(", ")}; there are ${names.join(", ")}`);
  return options.only === undefined ? all : all.filter(({ name }) => options.only.includes(name));
}

function ours({ aead, daemons: withDaemons, dist }) {
  const place = dist === undefined ? {} : { dist: resolve(dist) };
  const providers = aead.length === 0 ? ["auto"] : aead;
  return providers.flatMap((aeadProvider) => {
    const suffix = aeadProvider === "auto" ? "" : `-${aeadProvider}`;
    const tunnels = staticTunnel({ name: `mesh${suffix}`, aeadProvider, ...place });
    return withDaemons ? [tunnels, daemons({ name: `mesh-daemons${suffix}`, aeadProvider, ...place })] : [tunnels];
  });
}

async function wireguardGos(options, defer) {
  const binaries = [];
  for (const path of [findCommand("wireguard-go"), ...options.wireguardGo.map((path) => resolve(path))]) {
    if (path !== undefined) binaries.push({ path, version: await wireguardGoVersion(path) });
  }
  if (options.fetchWireguardGo) {
    const folder = mkdtempSync(join(tmpdir(), "mesh-bench-apt-"));
    defer(() => rmSync(folder, { recursive: true, force: true }));
    binaries.push(await fetchWireguardGo(folder));
  }
  const byName = new Map();
  for (const { path, version } of binaries) {
    const name = `wireguard-go-${version}`;
    byName.set(name, wireguardGo({ name, path, version }));
  }
  return [...byName.values()];
}

async function nebulas() {
  const path = findCommand("nebula");
  const certPath = findCommand("nebula-cert");
  if (path === undefined || certPath === undefined) return [];
  return [nebula({ path, certPath, version: await nebulaVersion(path) })];
}
