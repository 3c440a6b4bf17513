import { readFileSync } from "node:fs";
import { arch, availableParallelism, release, totalmem, version } from "node:os";
import { softwareVersion } from "../../base/version.ts";

/** Variables that change what mesh does. */
const OF_INTEREST = /^(MESH_\w+|(https?|all|no)_proxy|NODE_OPTIONS|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR))$/i;

/** This very process. */
export function programFacts() {
  const { node, openssl, uv } = process.versions;
  return {
    version: softwareVersion(),
    node,
    openssl,
    uv,
    uid: process.geteuid?.() ?? null,
    capabilities: statusField("CapEff"),
    seccomp: statusField("Seccomp"),
    uptimeSeconds: Math.round(process.uptime()),
    memory: process.memoryUsage(),
  };
}

/** The machine below it. */
export function systemFacts() {
  return {
    kernel: release(),
    build: version(),
    distribution: /^PRETTY_NAME="?([^"\n]*)/m.exec(readIfThere("/etc/os-release"))?.[1] ?? null,
    arch: arch(),
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
  };
}

/** Who logs in at a proxy stays out, in whichever way it is written. */
export function environmentFacts(environment: NodeJS.ProcessEnv): Record<string, string> {
  const entries = Object.entries(environment)
    .filter(([name, value]) => value !== undefined && OF_INTEREST.test(name))
    .map(([name, value = ""]) => [
      name,
      /_proxy$/i.test(name) ? value.replace(/^(\w+:\/\/)?.*@/, "$1[hidden]@") : value,
    ]);
  return Object.fromEntries(entries);
}

/** Of proc_pid_status(5). */
function statusField(name: string): string | null {
  return new RegExp(`^${name}:\\s*(\\S+)`, "m").exec(readIfThere("/proc/self/status"))?.[1] ?? null;
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
