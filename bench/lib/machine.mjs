import { arch, cpus, release, totalmem } from "node:os";
import { findCommand, run } from "../../scripts/lib/process.mjs";
import { projectRoot } from "../../scripts/lib/project.mjs";

/** What figures depend on besides the programs under test. */
export async function describeMachine() {
  const cores = cpus();
  const iperf3 = await run("iperf3", ["--version"]);
  return {
    cpu: cores[0]?.model.trim() ?? "unknown",
    cores: cores.length,
    memoryBytes: totalmem(),
    architecture: arch(),
    kernel: release(),
    node: process.versions.node,
    openssl: process.versions.openssl,
    revision: await revision(),
    iperf3: /^iperf (\S+)/.exec(iperf3.stdout)?.[1] ?? "unknown",
  };
}

/** What git calls the checkout, with `-dirty` when it is not as committed; null outside of git. */
async function revision() {
  if (findCommand("git") === undefined) return null;
  const { status, stdout } = await run("git", ["describe", "--always", "--dirty"], { cwd: projectRoot });
  return status === 0 ? stdout.trim() : null;
}
