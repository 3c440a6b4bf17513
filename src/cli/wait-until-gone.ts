import { setTimeout as sleep } from "node:timers/promises";
import { MeshError } from "../base/errors.ts";
import type { LocalClient } from "./clients/local-client.ts";

const LIMIT_MS = 15_000;
const POLL_MS = 50;

/** Returns once the daemon has ended. @throws MeshError `timeout` */
export async function waitUntilGone(client: LocalClient): Promise<void> {
  const deadlineMs = performance.now() + LIMIT_MS;
  for (;;) {
    try {
      await client.status();
    } catch (failure) {
      if (failure instanceof MeshError && failure.code === "no-daemon") return;
      // The socket may be cut in the middle of an answer while the daemon ends: ask again.
      if (performance.now() > deadlineMs) throw failure;
    }
    if (performance.now() > deadlineMs) throw new MeshError("timeout", "the daemon has not ended yet");
    await sleep(POLL_MS);
  }
}
