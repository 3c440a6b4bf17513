import { describe, expect, it } from "vitest";
import { checkYamlConfig } from "../../../src/api/parse-yaml-config.ts";
import { peerConfigSchema } from "../../../src/api/peer-config.ts";
import { serverConfigSchema } from "../../../src/api/server-config.ts";
import { logLevelsOf } from "../../../src/base/log-levels.ts";
import { loggerOf } from "../../../src/base/logger.ts";
import { openLogTo } from "../../../src/daemon/log/log.ts";

describe("levels of the log", () => {
  function opened(verbose: boolean) {
    const lines: string[] = [];
    const log = openLogTo((text) => void lines.push(text.trimEnd()), { format: "json", verbose });
    const said = () => lines.splice(0).map((line) => JSON.parse(line).msg);
    return { ...log, said };
  }

  it("are info, or debug where more is asked for, and change as it runs", () => {
    const { logger, levels, said } = opened(false);
    const dns = loggerOf("dns", logger).child({ peer: "bob" });
    const all = () => {
      logger.debug({}, "debug");
      logger.info({}, "info");
      dns.debug({}, "dns debug");
      dns.warn({}, "dns warn");
    };
    all();
    expect(said()).toEqual(["info", "dns warn"]);
    levels.use({ default: "error", dns: "debug" });
    all();
    expect(said()).toEqual(["dns debug", "dns warn"]);
    levels.use({ dns: "error" });
    all();
    expect(said()).toEqual(["info"]);

    const verbose = opened(true);
    verbose.logger.debug({}, "debug");
    loggerOf("router", verbose.logger).debug({}, "router");
    expect(verbose.said()).toEqual(["debug", "router"]);
  });

  it("bear the name of the subsystem", () => {
    const lines: string[] = [];
    const { logger, ring } = openLogTo((text) => void lines.push(text), { format: "pretty", verbose: false });
    loggerOf("dns", logger).info({ port: 53 }, "answers");
    expect(lines).toEqual([expect.stringMatching(/^\S+ info {2}answers port=53 subsystem=dns\n$/)]);
    expect(JSON.parse(ring.latest(1, () => true)[0]!)).toMatchObject({ subsystem: "dns", port: 53, msg: "answers" });
  });

  it("of what does not exist are refused, with the names that do", () => {
    const faults = (text: string, schema: typeof peerConfigSchema | typeof serverConfigSchema) => {
      const checked = checkYamlConfig(text, schema);
      return "faults" in checked ? checked.faults : [];
    };
    expect(faults("log_levels:\n  dns: debug\n  routr: debug\n", peerConfigSchema)).toEqual([
      { line: 3, message: expect.stringMatching(/^log_levels\.routr: there is no subsystem "routr": .*api, .*router/) },
    ]);
    expect(faults("log_levels: {dns: debug}\n", serverConfigSchema)).toHaveLength(1);
    expect(faults("log_levels: {dns: loud}\n", peerConfigSchema)).toEqual([
      { line: 1, message: "log_levels.dns: one of debug, info, warn, error" },
    ]);
  });

  it("are written on the command line as [SUBSYSTEM=]LEVEL", () => {
    expect(logLevelsOf(["warn", "dns=debug"])).toEqual({ default: "warn", dns: "debug" });
    expect(logLevelsOf(undefined)).toBeUndefined();
  });
});
