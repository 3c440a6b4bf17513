import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Coordinator } from "../../src/coord/coordinator.ts";
import type { CoordinatorDeps, CoordinatorOptions } from "../../src/coord/options.ts";
import { AdminSocketClient, CoordinatorClient } from "./coordinator-client.ts";

/** A home that is gone at the end of the test. */
export async function temporaryHome(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "mesh-coord-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export interface CoordinatorFixture {
  readonly coordinator: Coordinator;
  readonly client: CoordinatorClient;
  readonly admin: AdminSocketClient;
}

/** A real coordinator on a free loopback port, with clients for both of its ends. */
export async function startCoordinator(
  home: string,
  options: Partial<CoordinatorOptions> = {},
  deps: CoordinatorDeps = {},
): Promise<CoordinatorFixture> {
  const coordinator = await Coordinator.start({ home, listen: ["127.0.0.1:0"], ...options }, deps);
  const url = coordinator.urls[0]!;
  const client = url.startsWith("https:") ? await CoordinatorClient.pinned(url) : new CoordinatorClient(url, undefined);
  return { coordinator, client, admin: new AdminSocketClient(coordinator.adminSocketPath) };
}
