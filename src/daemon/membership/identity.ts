import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { key32Schema } from "../../api/primitives.ts";
import { PeerKeys } from "../../control/peer-keys.ts";
import { StateFile } from "../networks/state-file.ts";

/** Raw private keys in base64, in one file: half a pair can never be left behind. */
const keyFileSchema = z.strictObject({
  version: z.literal(1),
  /** Ed25519 seed. */
  machinePrivateKey: key32Schema,
  /** X25519. */
  wireguardPrivateKey: key32Schema,
  /** When the X25519 key was made; 0 where that was not noted. */
  wireguardKeyIssuedAtMs: z.number().int().min(0).default(0),
});

function keyFile(directory: string): StateFile<typeof keyFileSchema> {
  return new StateFile(join(directory, "keys.json"), keyFileSchema);
}

/** The keys in `directory`, or undefined where there are none. @throws MeshError `state-damaged` */
export async function loadKeys(directory: string): Promise<PeerKeys | undefined> {
  const stored = await keyFile(directory).read();
  if (stored === undefined) return undefined;
  return new PeerKeys(
    Buffer.from(stored.machinePrivateKey, "base64"),
    Buffer.from(stored.wireguardPrivateKey, "base64"),
    stored.wireguardKeyIssuedAtMs,
  );
}

/** The keys in `directory`, made there (directory 0700, file 0600) when there are none. */
export async function loadOrCreateKeys(directory: string): Promise<PeerKeys> {
  const existing = await loadKeys(directory);
  if (existing !== undefined) return existing;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const keys = PeerKeys.generate();
  await saveKeys(directory, keys);
  return keys;
}

/** In the place of those that are there. */
export async function saveKeys(directory: string, keys: PeerKeys): Promise<void> {
  await keyFile(directory).write({
    version: 1,
    machinePrivateKey: Buffer.from(keys.exportMachineSeed()).toString("base64"),
    wireguardPrivateKey: Buffer.from(keys.exportWireguardPrivate()).toString("base64"),
    wireguardKeyIssuedAtMs: keys.issuedAtMs,
  });
}
