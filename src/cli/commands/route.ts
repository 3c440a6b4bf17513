import type { Command } from "commander";
import type { AdminClient } from "../clients/admin-client.ts";
import { globalOptions } from "../options/globals.ts";
import { peerGlobals } from "../options/peer-globals.ts";
import { printJson, printLine } from "../output.ts";

/** `mesh route` for admins, and `mesh routes` as this machine has them. */
export function registerRoute(program: Command): void {
  const route = program.command("route").description("networks behind peers (admins; docs/exit.md)");

  route
    .command("list")
    .description("list the networks that peers say are behind them")
    .action(async (_flags: object, command: Command) => {
      const routes = await (await adminOf(command)).listRoutes();
      const { renderAdvertisedRoutes } = await import("../views/exit-view.ts");
      if (globalOptions(command).json) printJson(routes);
      else printLine(renderAdvertisedRoutes(routes));
    });

  for (const [word, approved] of [
    ["approve", true],
    ["revoke", false],
  ] as const) {
    route
      .command(`${word} <peer> <cidr>`)
      .description(
        approved
          ? "let peers reach a network through the peer that advertises it"
          : "let nobody reach a network through a peer any more, at once",
      )
      .action(async (peer: string, cidr: string, _flags: object, command: Command) => {
        const { canonicalCidr } = await import("../../packet/cidr.ts");
        const network = canonicalCidr(cidr);
        const changed = await (await adminOf(command)).setRouteApproved(peer, network, approved);
        if (globalOptions(command).json) printJson(changed);
        else printLine(`${network} ${approved ? "is reached through" : "is reached no more through"} ${peer}`);
      });
  }

  program
    .command("routes")
    .description("list the networks behind peers as this machine has them, and those behind itself")
    .action(async (_flags: object, command: Command) => {
      const options = await peerGlobals(command);
      const { localClient } = await import("../clients/local-client.ts");
      const { routes } = await localClient(options).routes();
      const { renderRoutes } = await import("../views/exit-view.ts");
      if (options.json) printJson(routes);
      else printLine(renderRoutes(routes));
    });
}

async function adminOf(command: Command): Promise<AdminClient> {
  const { AdminClient } = await import("../clients/admin-client.ts");
  return AdminClient.open(globalOptions(command));
}
