import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { Command } from "commander";
import { loadServerConfig, type ServerConfig, serverConfigSchema } from "../api/server-config.ts";
import { MeshError } from "../base/errors.ts";
import { Coordinator } from "../coord/coordinator.ts";
import { coordinatorSocketPath, resolveHome } from "../daemon/home.ts";
import { createLogger } from "../daemon/log.ts";
import { notifyService } from "../daemon/sd-notify.ts";
import { findConfig } from "./config-search.ts";
import { globalOptions } from "./globals.ts";
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
  const options = { ...config, ...definedOnly(parseFlags(flags)) };
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

/** Flags go through the schema of the file, so that both have the same rules. @throws MeshError `bad-usage` */
function parseFlags(flags: ServeFlags): ServerConfig {
  const parsed = serverConfigSchema.safeParse(
    definedOnly({
      listen: flags.listen,
      stun_listen: flags.stunListen?.length === 1 ? flags.stunListen[0] : flags.stunListen,
      public_url: flags.publicUrl,
      name: flags.name,
      domain: flags.domain,
      network_cidr: flags.networkCidr,
      network_cidr6: flags.networkCidr6,
      relay: flags.relay,
      tls: flags.tls === undefined ? undefined : parseTls(flags.tls),
    }),
  );
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const flag = String(issue?.path[0] ?? "").replaceAll("_", "-");
  throw new MeshError("bad-usage", `--${flag}: ${issue?.message ?? "a wrong value"}`);
}

function parseTls(text: string): "auto" | "off" | { readonly cert: string; readonly key: string } {
  if (text === "auto" || text === "off") return text;
  const [cert, key, ...rest] = text.split(",");
  if (cert === undefined || cert === "" || key === undefined || key === "" || rest.length > 0) {
    throw new MeshError("bad-usage", `--tls is auto, off or CERT,KEY, not ${JSON.stringify(text)}`);
  }
  return { cert, key };
}

/** Spreading an undefined field would hide the one underneath. */
function definedOnly<T extends object>(fields: T): Partial<T> {
  const defined: Partial<T> = { ...fields };
  for (const key of Object.keys(defined) as (keyof T)[]) if (defined[key] === undefined) delete defined[key];
  return defined;
}

function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
}
