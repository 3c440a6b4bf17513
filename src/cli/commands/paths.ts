import type { Command } from "commander";
import { MeshError } from "../../base/errors.ts";
import { peerGlobals } from "../options/peer-globals.ts";
import { printJson, printLine } from "../output.ts";

export function registerPaths(program: Command): void {
  program
    .command("paths [peer]")
    .description("show every path to a peer, which one is used and why, and how the others lost")
    .action(async (name: string | undefined, _options: object, command: Command) => {
      const options = await peerGlobals(command);
      const { localClient } = await import("../clients/local-client.ts");
      const { peers } = await localClient(options).status();
      const wanted = name === undefined ? peers : peers.filter((peer) => isNamed(peer, name));
      if (name !== undefined && wanted.length === 0)
        throw new MeshError("not-found", `there is no peer ${name}`, { hint: "See `mesh peers`." });
      if (options.json) {
        printJson(
          wanted.map(({ name, path, paths, attempts, preference }) => ({ name, path, paths, attempts, preference })),
        );
        return;
      }
      const { renderPaths } = await import("../views/paths-view.ts");
      printLine(wanted.length === 0 ? "no peers yet" : wanted.map(renderPaths).join("\n\n"));
    });
}

function isNamed(peer: { readonly name: string; readonly ip4: string; readonly ip6: string }, name: string): boolean {
  return peer.name === name.toLowerCase() || peer.ip4 === name || peer.ip6 === name;
}
