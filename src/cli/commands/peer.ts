import type { Command } from "commander";
import type { AdminPeer } from "../../api/admin.ts";
import { MeshError } from "../../base/errors.ts";
import type { OpenAdmin } from "../clients/open-admin.ts";
import { globalOptions } from "../options/globals.ts";
import { printJson, printLine } from "../output.ts";
import { formatAgo } from "../views/format.ts";

export function registerPeer(program: Command, openAdmin: OpenAdmin): void {
  const admin = (command: Command) => openAdmin(globalOptions(command));
  const peer = program.command("peer").description("manage the peers of the network (admins)");

  peer
    .command("list")
    .description("list all peers, those that are invited and those that are disabled among them")
    .action(async (_flags: object, command: Command) => {
      const options = globalOptions(command);
      const peers = await (await admin(command)).listPeers();
      if (options.json) printJson(peers);
      else {
        const { renderTable } = await import("../views/table.ts");
        printLine(peers.length === 0 ? "no peers" : renderTable(PEER_COLUMNS, peers));
      }
    });

  peer
    .command("rename <peer> <new-name>")
    .description("call a peer something else; it keeps its address and keys")
    .action(async (name: string, to: string, _flags: object, command: Command) => {
      tell(command, await (await admin(command)).renamePeer(name, to), () => `${name} is ${to} now`);
    });

  peer
    .command("enable <peer>")
    .description("let a disabled peer in again")
    .action(async (name: string, _flags: object, command: Command) => {
      tell(command, await (await admin(command)).setPeerEnabled(name, true), () => `${name} is enabled`);
    });

  peer
    .command("disable <peer>")
    .description("shut a peer out, at once and until it is enabled; it keeps its name and address")
    .action(async (name: string, _flags: object, command: Command) => {
      tell(command, await (await admin(command)).setPeerEnabled(name, false), () => `${name} is disabled`);
    });

  peer
    .command("delete <peer>")
    .description(
      "take a peer out of the network for good: its name is free again, its address never is; or uninvite it",
    )
    .action(async (name: string, _flags: object, command: Command) => {
      const deleted = await (await admin(command)).deletePeer(name);
      tell(command, deleted, ({ state }) =>
        state === "invited" ? `${name} is invited no more` : `${name} is no peer any more`,
      );
    });

  peer
    .command("set-admin <peer> <on|off>")
    .description("give a peer the right to administer the network, or take it away")
    .action(async (name: string, text: string, _flags: object, command: Command) => {
      if (text !== "on" && text !== "off") throw new MeshError("bad-usage", "the admin right is on or off");
      const isAdmin = text === "on";
      const changed = await (await admin(command)).setPeerAdmin(name, isAdmin);
      tell(command, changed, () => `${name} is ${isAdmin ? "an admin" : "no admin"}`);
    });

  peer
    .command("tag <peer> [tags...]")
    .description("give a peer these tags, and no others; none to clear them")
    .action(async (name: string, tags: string[], _flags: object, command: Command) => {
      const changed = await (await admin(command)).tagPeer(name, tags);
      tell(
        command,
        changed,
        (now) => `${name} has ${now.tags.length === 0 ? "no tags" : `the tags ${now.tags.join(", ")}`}`,
      );
    });

  peer
    .command("override-endpoint <peer> [endpoint]")
    .description("have the others try the peer at this HOST:PORT first; names are resolved by whoever dials")
    .option("--unset", "drop it: the peer is where it says itself")
    .action(async (name: string, text: string | undefined, { unset }: { unset?: boolean }, command: Command) => {
      if ((text === undefined) !== (unset === true))
        throw new MeshError("bad-usage", "give either HOST:PORT or --unset");
      const endpoint = text === undefined ? null : await parseHostPort(text);
      const changed = await (await admin(command)).overrideEndpoint(name, endpoint);
      tell(
        command,
        changed,
        () => `${name} is tried ${endpoint === null ? "where it says itself" : `at ${endpoint} first`}`,
      );
    });
}

const PEER_COLUMNS = [
  { title: "NAME", cell: (peer: AdminPeer) => peer.name },
  { title: "STATE", cell: (peer: AdminPeer) => peer.state },
  { title: "ONLINE", cell: (peer: AdminPeer) => (peer.online ? "yes" : "no") },
  { title: "LAST SEEN", cell: (peer: AdminPeer) => formatAgo(peer.lastSeenAt, Date.now()) },
  { title: "IPV4", cell: (peer: AdminPeer) => peer.ip4 ?? "-" },
  { title: "IPV6", cell: (peer: AdminPeer) => peer.ip6 ?? "-" },
  { title: "CIDR", cell: (peer: AdminPeer) => peer.cidr },
  { title: "ADMIN", cell: (peer: AdminPeer) => (peer.admin ? "yes" : "no") },
  { title: "EPHEMERAL", cell: (peer: AdminPeer) => (peer.ephemeral ? "yes" : "no") },
  { title: "TAGS", cell: (peer: AdminPeer) => peer.tags.join(", ") || "-" },
] as const;

/** The peer as JSON, or one line about it. */
function tell(command: Command, peer: AdminPeer, line: (peer: AdminPeer) => string): void {
  if (globalOptions(command).json) printJson(peer);
  else printLine(line(peer));
}

/** @throws MeshError `bad-endpoint` */
async function parseHostPort(text: string): Promise<string> {
  const { hostPortSchema } = await import("../../api/primitives.ts");
  const parsed = hostPortSchema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new MeshError(
    "bad-endpoint",
    `${JSON.stringify(text.slice(0, 100))} is not ${parsed.error.issues[0]?.message}`,
  );
}
