import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { Command } from "commander";
import { loadServerConfig, type ServerConfig, serverConfigSchema } from "../api/server-config.ts";
import { Coordinator } from "../coord/coordinator.ts";
import { coordinatorSocketPath, resolveHome } from "../daemon/home.ts";
import { createLogger } from "../daemon/log.ts";
import { notifyService } from "../daemon/sd-notify.ts";
import { findConfig } from "./config-search.ts";
import { globalOptions } from "./globals.ts";
import { definedOnly, listeningKeys, parseFlags } from "./listening-flags.ts";
import { printJsonLine, printLine } from "./output.ts";
import { relayUpgrade } from "./relay-upgrade.ts";
import type { ServeFlags } from "./serve-flags.ts";
import { letYoungGenerationGrow } from "./young-generation.ts";

const DEFAULT_STUN_LISTEN = [":3478"];

/** Runs the coordinator until SIGINT or SIGTERM. */
export async function serve(flags: ServeFlags, command: Command): Promise<void> {
  letYoungGenerationGrow();
  const globals = globalOptions(command);
  const file = findConfig("server", flags.config);
  const config = file === undefined ? undefined : await loadServerConfig(file);
  const options = { ...config, ...definedOnly(configOf(flags)) };
  const home = resolveHome(globals.home ?? config?.home);
  const logger = createLogger({
    format: globals.explicit.logFormat ?? config?.logFormat ?? "pretty",
    verbose: globals.explicit.verbose ?? config?.verbose ?? false,
  });
  const signalled = untilSignal();
  const adminSocketPath = config?.adminSocketPath ?? coordinatorSocketPath(home);
  await mkdir(dirname(adminSocketPath), { recursive: true, mode: 0o755 });
  const coordinator = await Coordinator.start(
    {
      home: home.stateDirectory,
      adminSocketPath,
      listen: options.listen,
      stunListen: options.stunListen ?? DEFAULT_STUN_LISTEN,
      stunMayFail: options.stunListen === undefined,
      publicUrls: options.publicUrls,
      name: options.name,
      domain: options.domain,
      networkCidr4: options.networkCidr4,
      networkCidr6: options.networkCidr6,
      tls: options.tls,
      trustedProxies: options.trustedProxies,
    },
    { logger, upgrades: options.relay === false ? {} : relayUpgrade(options.relayLimits, logger) },
  );
  try {
    announce(coordinator, globals.json);
    notifyService("READY=1");
    await signalled;
  } finally {
    notifyService("STOPPING=1");
    await coordinator.close();
  }
}

/** How to join, on the first run; then the one line that says it serves. */
function announce(coordinator: Coordinator, json: boolean): void {
  const { firstToken, urls, network, caFingerprint } = coordinator;
  const url = urls[0] ?? "";
  if (json) {
    if (firstToken !== undefined) {
      const { token, joinCommand, expiresAt } = firstToken;
      printJsonLine({ event: "first-run", network: network.name, token, joinCommand, expiresAt });
    }
    printJsonLine({ event: "ready", url, urls, network: network.name, caFingerprint });
    return;
  }
  if (firstToken !== undefined) {
    printLine(
      `The network ${network.name} (${network.cidr4}, ${network.cidr6}) is made. Join its first peer, an admin, by:`,
    );
    printLine(`  ${firstToken.joinCommand}`);
    printLine("For more peers: mesh token create");
  }
  printLine(`ready ${url}`);
}

/** @throws MeshError `bad-usage` */
function configOf(flags: ServeFlags): ServerConfig {
  return parseFlags(serverConfigSchema, {
    ...listeningKeys(flags),
    name: flags.name,
    domain: flags.domain,
    network_cidr: flags.networkCidr,
    network_cidr6: flags.networkCidr6,
    relay: flags.relay,
  });
}

function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
}
