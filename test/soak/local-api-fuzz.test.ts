import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ROUTES } from "../../src/daemon/local-api/routes.ts";
import { eventually } from "../support/lab/eventually.ts";
import { fuzzLocalApi } from "../support/lab/fuzz-local-api.ts";
import type { LabProcess } from "../support/lab/lab-process.ts";
import type { MeshPeer } from "../support/lab/mesh-peer.ts";
import { SmallNetwork } from "../support/lab/small-network.ts";

const ROUNDS = 10;
const REQUESTS = 1000;

let network: SmallNetwork;
let home: string;
let alice: MeshPeer;

beforeAll(async () => {
  network = await SmallNetwork.open("alice");
  // Other users get into no host's scratch directory.
  home = mkdtempSync("/tmp/mesh-shared-");
  chmodSync(home, 0o755);
  alice = await network.join("alice", { home });
});
afterAll(async () => {
  await network[Symbol.asyncDispose]();
  rmSync(home, { recursive: true, force: true });
});

/** As another user than the daemon's. */
function holdConnections(socketPath: string): Promise<LabProcess> {
  const nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
  const holding = [process.execPath, "test/support/lab/hold-connections.mjs", socketPath, "1000"];
  return alice.host.start("setpriv", [...nobody, ...holding]);
}

function residentMegabytes(): number {
  const status = readFileSync(`/proc/${alice.process.pid}/status`, "latin1");
  return (Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024) / 1e6;
}

/** Connections that the daemon has accepted and not closed. */
async function connections(socketPath: string): Promise<number> {
  return (await alice.host.must("ss", "-Hx")).split(socketPath).length - 1;
}

it("random requests and a thousand slow connections leave the daemon as it was", async () => {
  const socketPath = `${home}/run/peer-mesh.sock`;
  const routes = Object.keys(ROUTES);
  const holder = await holdConnections(socketPath);
  await holder.waitForOutput(/refused/);
  for (let round = 0; round < 200; round++) expect((await alice.status()).state).toBe("running");
  // Of theirs, 32 that are in and 16 that are told; some are on their way.
  expect(await connections(socketPath)).toBeGreaterThanOrEqual(32);
  expect(await connections(socketPath)).toBeLessThan(80);
  holder.closeInput();
  await holder.exited;

  const seen: { megabytes: number; connections: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const tally = await fuzzLocalApi({ socketPath, routes, requests: REQUESTS, parallel: 16, seed: round });
    seen.push({ ...tally, megabytes: residentMegabytes(), connections: await connections(socketPath) });
    expect((await alice.status()).state).toBe("running");
  }
  console.table(seen);
  await eventually("it has let go of all", async () => (await connections(socketPath)) === 0);
  // What the first rounds need stays: code that is compiled, and a heap that has grown once.
  const sizes = seen.map(({ megabytes }) => megabytes);
  expect(Math.max(...sizes.slice(ROUNDS / 2)) - Math.max(...sizes.slice(0, ROUNDS / 2))).toBeLessThan(15);
}, 300_000);
