import { randomBytes } from "node:crypto";
import { open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Actor, recordEvent } from "../store/audit.ts";
import type { Store } from "../store/store.ts";

/**
 * The whole database as it is at one moment: the CA and its private key, peers, tokens, the audit log. It is all that a
 * coordinator keeps.
 */
export async function takeBackup(store: Store, directory: string, actor: Actor, nowMs: number): Promise<Buffer> {
  await store.write((writer) => recordEvent(writer, nowMs, { actor, action: "network.backup", subject: "network" }));
  const path = join(directory, `backup-${randomBytes(6).toString("hex")}.db`);
  // SQLite would make it with a mode of its own choice.
  await (await open(path, "wx", 0o600)).close();
  try {
    await store.copyTo(path);
    return await readFile(path);
  } finally {
    await rm(path, { force: true });
    await rm(`${path}-journal`, { force: true });
  }
}
