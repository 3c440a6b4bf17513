import type { Command } from "commander";
import { collect } from "../option-parsers.ts";
import type { ServeFlags } from "../serve-flags.ts";

export function registerServe(program: Command): void {
  program
    .command("serve")
    .description("run the coordinator of a network")
    .option("--config <file>", "configuration file")
    .option("--listen <address>", "where to listen; may be repeated (default: :8443)", collect)
    .option(
      "--stun-listen <address>",
      "where to answer STUN over UDP, or off; may be repeated; one alone stands for its port and the next (default: :3478)",
      collect,
    )
    .option("--public-url <url>", "how peers reach the coordinator; may be repeated", collect)
    .option("--name <network>", "name of the network, fixed by the first run (default: mesh)")
    .option("--domain <suffix>", "DNS suffix, fixed by the first run (default: mesh)")
    .option("--network-cidr <cidr>", "IPv4 range, fixed by the first run (default: 10.86.0.0/16)")
    .option("--network-cidr6 <cidr>", "IPv6 range, fixed by the first run (default: a random ULA /48)")
    .option("--tls <mode>", "auto (own CA), off (behind a proxy), or CERT,KEY files (default: auto)")
    .option("--relay <mode>", "on or off: relay between peers that reach each other by no other way (default: on)")
    .action(async (flags: ServeFlags, command: Command) => {
      const { serve } = await import("../run-coordinator.ts");
      await serve(flags, command);
    });
}
