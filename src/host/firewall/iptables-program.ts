import { errnoOf } from "../../base/errors.ts";
import type { CommandRunner } from "../command.ts";

/** The kernel's two packet filters; each has tables of its own, and a packet has to pass both. */
export const FIREWALL_BACKENDS = ["nf_tables", "legacy"] as const;
export type FirewallBackend = (typeof FIREWALL_BACKENDS)[number];

/** The programs of iptables(8). Those without a suffix are one of the others, as the host's administrator has it. */
export const IPTABLES_PROGRAMS = [
  "iptables",
  "ip6tables",
  "iptables-nft",
  "ip6tables-nft",
  "iptables-legacy",
  "ip6tables-legacy",
] as const;
export type IptablesProgram = (typeof IPTABLES_PROGRAMS)[number];

/** The one for this family that writes to this backend; undefined where there is none. */
export async function iptablesFor(
  family: "ip" | "ip6",
  backend: FirewallBackend,
  run: CommandRunner,
): Promise<IptablesProgram | undefined> {
  const plain = family === "ip" ? "iptables" : "ip6tables";
  for (const program of [plain, `${plain}-${backend === "legacy" ? "legacy" : "nft"}`] as const) {
    if ((await backendOf(program, run)) === backend) return program;
  }
  return undefined;
}

async function backendOf(program: IptablesProgram, run: CommandRunner): Promise<FirewallBackend | undefined> {
  try {
    const { status, stdout } = await run(program, ["--version"]);
    if (status !== 0) return undefined;
    // Before 1.8 there was one backend, and no word about it.
    return stdout.includes("(nf_tables)") ? "nf_tables" : "legacy";
  } catch (failure) {
    if (errnoOf(failure) === "ENOENT") return undefined;
    throw failure;
  }
}
