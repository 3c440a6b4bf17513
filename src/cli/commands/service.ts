import type { Command } from "commander";
import { ExitStatus, MeshError } from "../../base/errors.ts";
import type { ExitHolder } from "../exit-holder.ts";
import type { ConfigKind } from "../options/config-search.ts";
import { globalOptions } from "../options/globals.ts";
import { integerOption } from "../options/option-parsers.ts";
import { printJson, printLine } from "../output.ts";

interface ServiceFlags {
  readonly server?: boolean;
  readonly relay?: boolean;
}

interface UninstallFlags extends ServiceFlags {
  readonly root?: string;
}

interface InstallFlags extends UninstallFlags {
  readonly config?: string;
  readonly join?: boolean;
}

const MAX_LINES = 1_000_000;

export function registerService(program: Command, exit: ExitHolder): void {
  const service = program
    .command("service")
    .description("run mesh as a service of systemd; with --network, that network of this machine by a unit of its own");
  const add = (name: string, description: string) =>
    service
      .command(name)
      .description(description)
      .option("--server", "the coordinator (`mesh serve`), not the peer")
      .option("--relay", "the relay (`mesh relay`), not the peer");

  add("install", "write its unit, and have it start with the machine; --home and --network are kept in it")
    .option("--config <file>", "the configuration file that it reads")
    .option("--join", "the coordinator's host is a peer as well (default: as its configuration file says)")
    .option("--root <dir>", "for the system below this directory, which does not run")
    .action(async (flags: InstallFlags, command: Command) => {
      const options = globalOptions(command);
      const { Systemd, unitFile, unitOf } = await parts();
      const kind = kindOf(flags);
      const unit = unitOf(kind, options.network);
      const [, script = ""] = process.argv;
      const { realpathSync } = await import("node:fs");
      const { resolve } = await import("node:path");
      const text = await unitFile(kind, {
        program: [process.execPath, realpathSync(script)],
        home: options.home === undefined ? undefined : resolve(options.home),
        network: kind === "peer" ? options.network : undefined,
        config: flags.config === undefined ? undefined : resolve(flags.config),
        joins: await joins(kind, flags),
      });
      const intent = `write /etc/systemd/system/${unit} and enable it`;
      const systemd = flags.root === undefined ? Systemd.here(intent) : new Systemd(resolve(flags.root));
      await systemd.install(unit, text);
      const file = systemd.fileOf(unit);
      if (options.json) printJson({ unit, file });
      else
        printLine(
          `${file} is there, and starts with the machine; now: mesh service start${flagsOf(kind, options.network)}`,
        );
    });

  add("uninstall", "stop it and remove its unit; state and settings stay")
    .option("--root <dir>", "for the system below this directory, which does not run")
    .action(async (flags: UninstallFlags, command: Command) => {
      const { Systemd, unitOf } = await parts();
      const unit = unitOf(kindOf(flags), globalOptions(command).network);
      const { resolve } = await import("node:path");
      const systemd =
        flags.root === undefined ? Systemd.here(`stop and remove ${unit}`) : new Systemd(resolve(flags.root));
      await systemd.uninstall(unit);
      if (globalOptions(command).json) printJson({ unit });
      else printLine(`${unit} is gone`);
    });

  for (const [verb, description, done] of [
    ["start", "start it", "runs"],
    ["stop", "stop it; it comes back with the machine", "is stopped"],
    ["restart", "start it anew", "runs anew"],
    [
      "reload",
      "have it read its configuration again; what it cannot take up is in its log",
      "reads its configuration again",
    ],
  ] as const) {
    add(verb, description).action(async (flags: ServiceFlags, command: Command) => {
      const { Systemd, unitOf } = await parts();
      const unit = unitOf(kindOf(flags), globalOptions(command).network);
      const systemd = Systemd.here(`${verb} ${unit}`);
      systemd.requireInstalled(unit);
      await systemd.systemctl(verb, unit);
      if (globalOptions(command).json) printJson(await systemd.status(unit));
      else printLine(`${unit} ${done}`);
    });
  }

  add("status", "whether it is installed, starts with the machine, and runs; exits with 3 when it does not run").action(
    async (flags: ServiceFlags, command: Command) => {
      const { Systemd, unitOf } = await parts();
      const unit = unitOf(kindOf(flags), globalOptions(command).network);
      const status = await Systemd.here(`show the state of ${unit}`).status(unit);
      if (status.active !== "active") exit.status = ExitStatus.noDaemon;
      if (globalOptions(command).json) return printJson(status);
      const start = status.enabled ? "starts with the machine" : "does not start with the machine";
      const process = status.pid === null ? "" : `, process ${status.pid}`;
      printLine(status.installed ? `${unit} is ${status.active}${process}; ${start}` : `${unit} is not installed`);
    },
  );

  add("logs", "what it logged, of journald")
    .option("-f, --follow", "and what it logs from now on")
    .option("-n, --lines <count>", "how many lines", integerOption("--lines", 0, MAX_LINES), 100)
    .action(async (flags: ServiceFlags & { follow?: boolean; lines: number }, command: Command) => {
      const { Systemd, unitOf } = await parts();
      const unit = unitOf(kindOf(flags), globalOptions(command).network);
      Systemd.here(`show what journald has of ${unit}`);
      const { spawnSync } = await import("node:child_process");
      const follow = flags.follow === true ? ["--follow"] : [];
      const args = ["--no-pager", "--output=cat", `--unit=${unit}`, `--lines=${flags.lines}`, ...follow];
      const { error, status } = spawnSync("journalctl", args, { stdio: "inherit" });
      if (error !== undefined) throw new MeshError("missing-tool", "journalctl is not installed", { cause: error });
      exit.status = status === 0 ? ExitStatus.done : ExitStatus.failed;
    });
}

async function parts() {
  const [{ Systemd }, { unitFile, unitOf }] = await Promise.all([
    import("../service/systemd.ts"),
    import("../service/unit-file.ts"),
  ]);
  return { Systemd, unitFile, unitOf };
}

/** @throws MeshError `bad-usage` */
function kindOf({ server, relay }: ServiceFlags): ConfigKind {
  if (server === true && relay === true) throw new MeshError("bad-usage", "--server and --relay exclude each other");
  return server === true ? "server" : relay === true ? "relay" : "peer";
}

/** Whether the service looks after a peer of its own host. @throws MeshError `bad-usage`, `bad-config` */
async function joins(kind: ConfigKind, { join, config, root = "/" }: InstallFlags): Promise<boolean> {
  if (kind !== "server") {
    if (join === true) throw new MeshError("bad-usage", "--join goes with --server: peers are peers anyway");
    return false;
  }
  if (join === true) return true;
  const [{ existsSync }, { resolve }] = await Promise.all([import("node:fs"), import("node:path")]);
  const file = config === undefined ? resolve(root, "etc/mesh/server.yaml") : resolve(config);
  if (!existsSync(file)) return false;
  const { loadServerConfig } = await import("../../api/server-config.ts");
  const said = await loadServerConfig(file);
  return said.join !== undefined && said.join !== false;
}

function flagsOf(kind: ConfigKind, network: string | undefined): string {
  if (kind !== "peer") return ` --${kind}`;
  return network === undefined ? "" : ` --network ${network}`;
}
