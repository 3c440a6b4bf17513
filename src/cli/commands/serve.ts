import type { Command } from "commander";
import { addListeningOptions } from "../options/listening-flags.ts";
import type { ServeFlags } from "../options/serve-flags.ts";

export function registerServe(program: Command): void {
  const command = program.command("serve").description("run the coordinator of a network");
  addListeningOptions(command, ":8443")
    .option("--name <network>", "name of the network, fixed by the first run (default: mesh)")
    .option("--domain <suffix>", "DNS suffix, fixed by the first run (default: mesh)")
    .option("--network-cidr <cidr>", "IPv4 range, fixed by the first run (default: 10.86.0.0/16)")
    .option("--network-cidr6 <cidr>", "IPv6 range, fixed by the first run (default: a random ULA /48)")
    .option("--relay <mode>", "on or off: relay between peers that reach each other by no other way (default: on)")
    .option("--join [name]", "this host is a peer as well, by this name (default: the host name), or off")
    .action(async (flags: ServeFlags, command: Command) => {
      const { serve } = await import("../running/run-coordinator.ts");
      await serve(flags, command);
    });
}
