import type { Command } from "commander";
import { MeshError } from "../../base/errors.ts";
import { confirm } from "../confirm.ts";
import { peerGlobals } from "../options/peer-globals.ts";
import { printJson, printLine } from "../output.ts";

export function registerContext(program: Command): void {
  const context = program.command("context").description("the networks that this machine has joined");

  context
    .command("list")
    .description("all of them, the current one marked: the one that commands mean without --network")
    .action(async (_flags: object, command: Command) => {
      const options = await peerGlobals(command);
      const { home, listContexts } = await parts(options);
      const contexts = await listContexts(home, options.network);
      const { renderContexts } = await import("../views/context-view.ts");
      if (options.json) printJson(contexts);
      else printLine(renderContexts(contexts));
    });

  context
    .command("use <network>")
    .description("have commands mean this one from now on")
    .action(async (network: string, _flags: object, command: Command) => {
      const options = await peerGlobals(command);
      const { home, requireContext } = await parts(options);
      requireContext(home, network);
      const { makeCurrent } = await import("../../daemon/networks/current-network.ts");
      await makeCurrent(home, network);
      const { network: said } = options;
      const isOutweighed = said !== undefined && said !== network;
      if (options.json) printJson({ network, current: !isOutweighed });
      else if (isOutweighed)
        printLine(`noted; but MESH_NETWORK, --network or peer.yaml say ${said}, which outweighs it`);
      else printLine(`commands mean ${network} from now on`);
    });

  context
    .command("show [network]")
    .description("one of them, else the current one: addresses, ranges, interface, ports, where its state is")
    .action(async (named: string | undefined, _flags: object, command: Command) => {
      const options = await peerGlobals(command);
      const { home, requireContext, showContext } = await parts(options);
      const { selectNetwork } = await import("../../daemon/networks/home.ts");
      const network = named ?? selectNetwork(home, options.network);
      if (network === undefined) throw new MeshError("needs-join", "this machine has joined no network");
      requireContext(home, network);
      const { renderContext } = await import("../views/context-view.ts");
      const details = await showContext(home, network, options.network);
      if (options.json) printJson(details);
      else printLine(renderContext(details));
    });

  context
    .command("delete <network>")
    .description(
      "leave one for which no daemon runs: undo what it left on this host, deregister, remove keys and state",
    )
    .option("--yes", "do not ask")
    .action(async (network: string, { yes }: { yes?: boolean }, command: Command) => {
      const options = await peerGlobals(command);
      const { home, requireContext, currentOf } = await parts(options);
      requireContext(home, network);
      if (yes !== true) {
        await confirm(
          `Delete ${network} and its keys from this machine?`,
          "its keys on this machine are lost for good",
        );
      }
      const { forgetNetwork } = await import("../../daemon/networks/forget-network.ts");
      const { createLogger } = await import("../../daemon/log/log.ts");
      const logger = createLogger({ format: options.logFormat, verbose: options.verbose });
      const { deregistered } = await forgetNetwork(home, network, logger).catch((failure: unknown) => {
        throw withHintOfLeave(failure, network);
      });
      if (options.json) return printJson({ network, deleted: true, deregistered });
      const { listNetworks } = await import("../../daemon/networks/home.ts");
      const isUndecided = currentOf(home, options.network) === undefined && listNetworks(home).length > 0;
      printLine(`deleted ${network}`);
      if (!deregistered) printLine("the coordinator could not be told and still has this peer: an admin can delete it");
      if (isUndecided) printLine("no network is current now: mesh context use NAME");
    });
}

async function parts({ home }: { readonly home: string | undefined }) {
  const [contexts, { resolveHome }] = await Promise.all([
    import("../contexts.ts"),
    import("../../daemon/networks/home.ts"),
  ]);
  return { ...contexts, home: resolveHome(home) };
}

function withHintOfLeave(failure: unknown, network: string): unknown {
  if (!(failure instanceof MeshError) || failure.code !== "already-running") return failure;
  return new MeshError("already-running", failure.message, {
    hint: `Leave it by its daemon: \`mesh --network ${network} leave\`.`,
    cause: failure,
  });
}
