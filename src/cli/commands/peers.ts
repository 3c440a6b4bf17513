import type { Command } from "commander";
import { peerGlobals } from "../options/peer-globals.ts";
import { printJson, printLine } from "../output.ts";

export function registerPeers(program: Command): void {
  const list = program
    .command("peers")
    .description("list the peers that this machine sees")
    .action(async (_options: object, command: Command) => {
      const options = await peerGlobals(command);
      const { localClient } = await import("../clients/local-client.ts");
      const { peers } = await localClient(options).status();
      if (options.json) printJson(peers);
      else {
        const { renderPeers } = await import("../views/status-view.ts");
        printLine(renderPeers(peers, Date.now()));
      }
    });

  list
    .command("accept <peer>")
    .description("take the keys with which a peer came now for right, after its machine was replaced")
    .action(async (peer: string, _options: object, command: Command) => {
      const options = await peerGlobals(command);
      const { localClient } = await import("../clients/local-client.ts");
      const accepted = await localClient(options).acceptPeer(peer);
      if (options.json) printJson(accepted);
      else
        printLine(`${accepted.name} (${accepted.ip4}, ${accepted.ip6}) is accepted with the key ${accepted.publicKey}`);
    });
}
