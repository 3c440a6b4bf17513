import { fork } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { errorBodySchema, meshErrorFromBody } from "../../api/error-body.ts";
import { MeshError } from "../../base/errors.ts";
import { networkPaths } from "../../daemon/networks/home.ts";
import { networkOf } from "../../daemon/networks/network-of-plan.ts";
import { makePrivateDirectory } from "../../daemon/networks/private-directory.ts";
import type { PeerPlan, Progress } from "../../daemon/peer-plan.ts";
import { CHILD_VARIABLE, type ChildKind, type ChildMessage } from "./child-daemon.ts";

/** After "running", the first peers may still be told for this long. */
const FIRST_PEERS_LIMIT_MS = 6000;

/**
 * Runs this very command line again as a process of its own session, its log in a file below the home, and returns once it
 * runs. Its failure is thrown here as if it had happened here.
 */
export async function startDetached(plan: PeerPlan, progress: Progress): Promise<void> {
  const [, script] = process.argv;
  if (script === undefined) throw new MeshError("internal", "it is not known how this program was started");
  const { directory, logFile } = networkPaths(plan.home, await networkOf(plan));
  await makePrivateDirectory(directory);
  const log = openSync(logFile, "a", 0o600);
  const child = fork(script, process.argv.slice(2), {
    detached: true,
    stdio: ["ignore", log, log, "ipc"],
    env: { ...process.env, [CHILD_VARIABLE]: "detached" satisfies ChildKind },
  });
  closeSync(log);
  try {
    await untilRunning(child, progress, logFile);
  } finally {
    if (child.connected) child.disconnect();
    child.unref();
  }
}

function untilRunning(child: ReturnType<typeof fork>, progress: Progress, logFile: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.on("message", (message: ChildMessage) => {
      if (message.event === "failed") {
        reject(meshErrorFromBody(errorBodySchema.parse({ error: message.error }).error));
        return;
      }
      progress(message);
      if (message.event === "running") setTimeout(resolve, FIRST_PEERS_LIMIT_MS).unref();
      else if (message.event === "settled") resolve();
    });
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      const how = signal === null ? `with status ${code}` : `by ${signal}`;
      reject(new MeshError("internal", `the daemon ended ${how} before it ran`, { hint: `See ${logFile}.` }));
    });
  });
}
