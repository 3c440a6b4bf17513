import type { Command } from "commander";
import { loadRelayConfig, relayConfigSchema } from "../../api/relay-config.ts";
import { systemClock } from "../../base/clock.ts";
import { MeshError } from "../../base/errors.ts";
import { normalizeCoordinatorUrl } from "../../control/coordinator-url.ts";
import { openLog } from "../../daemon/log/log.ts";
import { resolveHome } from "../../daemon/networks/home.ts";
import { RelayHost } from "../../daemon/relay-host/relay-host.ts";
import { notifyService } from "../../daemon/sd-notify.ts";
import { startWatchdog } from "../../daemon/watchdog.ts";
import { findConfig } from "../options/config-search.ts";
import { globalOptions } from "../options/globals.ts";
import { definedOnly, listeningKeys, parseFlags } from "../options/listening-flags.ts";
import type { RelayFlags } from "../options/relay-flags.ts";
import { relayLimits } from "../options/relay-limits.ts";
import { findToken } from "../options/token-source.ts";
import { printJsonLine, printLine } from "../output.ts";
import { aborted, endSignal } from "./end-signal.ts";
import { Reloads } from "./reloads.ts";
import { RELAY_AT_START, takeListening } from "./take-listening.ts";
import { letYoungGenerationGrow } from "./young-generation.ts";

const DEFAULT_LISTEN = [":443"];
const DEFAULT_STUN_LISTEN = [":3478"];

/** Runs a stand-alone relay until a signal, or until it is removed from the network. */
export async function runRelay(flags: RelayFlags, command: Command): Promise<void> {
  letYoungGenerationGrow();
  const globals = globalOptions(command);
  const { config, options } = await readOptions(flags);
  const publicUrls = options.publicUrls ?? [];
  const tls = options.tls ?? "auto";
  if (tls === "off" && publicUrls.length === 0) {
    throw new MeshError("bad-usage", "behind a proxy the relay does not know how peers reach it", {
      hint: "Give the proxy's URL with --public-url.",
    });
  }
  const token = await findToken({
    argument: undefined,
    flag: flags.token,
    file: flags.tokenFile,
    environment: process.env.MESH_TOKEN,
    config,
  });
  const log = openLog({
    format: globals.explicit.logFormat ?? config.logFormat ?? "pretty",
    verbose: globals.explicit.verbose ?? config.verbose ?? false,
  });
  const { logger } = log;
  log.levels.use(options.logLevels ?? {});
  const reloads = new Reloads(logger);
  const stop = endSignal(() => reloads.ask());
  const relay = await RelayHost.start(
    {
      home: resolveHome(globals.home ?? config.home),
      servers: options.servers?.map(normalizeCoordinatorUrl),
      token,
      name: options.name,
      listen: options.listen ?? DEFAULT_LISTEN,
      stunListen: options.stunListen ?? DEFAULT_STUN_LISTEN,
      stunMayFail: options.stunListen === undefined,
      metricsListen: options.metricsListen ?? [],
      publicUrls,
      tls,
      trustedProxies: options.trustedProxies ?? [],
      limits: relayLimits(options.relayLimits),
    },
    { logger, redactor: log.redactor, clock: systemClock, signal: stop },
  );
  using _ = startWatchdog({ logger });
  try {
    const { name, relayId, network } = relay.enrolment;
    const [url = ""] = relay.urls;
    if (globals.json) printJsonLine({ event: "ready", url, urls: relay.urls, name, relayId, network: network.name });
    else printLine(`ready ${url}`);
    notifyService("READY=1");
    reloads.serve(async () => {
      const { options: next } = await readOptions(flags);
      await takeListening(RELAY_AT_START, { started: options, next }, relay, log);
    });
    await Promise.race([aborted(stop), relay.ended]);
  } finally {
    await reloads.close();
    notifyService("STOPPING=1");
    await relay[Symbol.asyncDispose]();
  }
}

/** What the file says, and that with the flags. @throws MeshError `bad-config`, `bad-usage`, `not-found` */
async function readOptions(flags: RelayFlags) {
  const file = findConfig("relay", flags.config);
  const config = file === undefined ? relayConfigSchema.parse({}) : await loadRelayConfig(file);
  const flagged = parseFlags(relayConfigSchema, { ...listeningKeys(flags), server: flags.server, name: flags.name });
  return { config, options: { ...config, ...definedOnly(flagged) } };
}
