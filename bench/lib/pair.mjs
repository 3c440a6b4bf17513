import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addNamespace, addVeth, deleteNamespace } from "../../scripts/lib/netns.mjs";

/** What every contender's tunnel carries at most: what WireGuard gets through a link of 1500 bytes, IPv6 outside. */
export const TUNNEL_MTU = 1420;
const LINK_MTU = 1500;

/** Addresses of the link under the tunnels. */
export const OUTER = { left: "192.168.77.1", right: "192.168.77.2" };
/** Addresses inside the tunnels. */
export const INNER = { left: "10.77.0.1", right: "10.77.0.2" };

/**
 * Two namespaces joined by a veth, with a folder for files of the contender that runs there. Each contender has a pair
 * of its own, all alike.
 * @param {string} label part of the namespaces' names
 * @param {(undo: () => unknown) => void} defer registers what is to be undone at the end
 * @returns {Promise<{left: string, right: string, folder: string}>}
 */
export async function makePair(label, defer, { linkMtu = LINK_MTU } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "mesh-bench-"));
  defer(() => rmSync(folder, { recursive: true, force: true }));
  const namespaces = [];
  for (const side of ["l", "r"]) {
    const namespace = await addNamespace(`${label}-${side}`);
    namespaces.push(namespace);
    defer(() => deleteNamespace(namespace));
  }
  const [left, right] = namespaces;
  await addVeth(
    { namespace: left, device: "eth0", addresses: [`${OUTER.left}/24`] },
    { namespace: right, device: "eth0", addresses: [`${OUTER.right}/24`] },
    { mtu: linkMtu },
  );
  return { left, right, folder };
}
