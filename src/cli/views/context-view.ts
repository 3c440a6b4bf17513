import type { Context, ContextDetails } from "../contexts.ts";
import { renderFields, renderTable } from "./table.ts";

export function renderContexts(contexts: readonly Context[]): string {
  if (contexts.length === 0) return "this machine has joined no network";
  return renderTable(
    [
      { title: "", cell: ({ current }) => (current ? "*" : "") },
      { title: "NETWORK", cell: ({ name }) => name },
      { title: "STATE", cell: ({ state }) => state ?? "-" },
      { title: "INTERFACE", cell: (context) => context.interface ?? "-" },
      { title: "ADDRESSES", cell: addressesOf },
      { title: "COORDINATOR", cell: ({ coordinator }) => coordinator ?? "-" },
    ],
    contexts,
  );
}

export function renderContext(context: ContextDetails): string {
  const { name, current, state, peer, domain, ranges, listenPort, sshPorts, coordinator, directory, socket } = context;
  return renderFields([
    ["network", current ? `${name} (current)` : name],
    ["state", state ?? "-"],
    ["this machine", peer ?? "-"],
    ["addresses", addressesOf(context)],
    ["ranges", ranges?.join(", ") ?? "-"],
    ["domain", domain ?? "-"],
    ["interface", context.interface ?? "-"],
    ["UDP port", listenPort === null ? "-" : String(listenPort)],
    ["SSH ports", sshPorts === null || sshPorts.length === 0 ? "-" : sshPorts.join(", ")],
    ["coordinator", coordinator ?? "-"],
    ["state in", directory],
    ["socket", socket],
  ]);
}

function addressesOf({ ip4, ip6 }: Context): string {
  return [ip4, ip6].filter((address) => address !== null).join(", ") || "-";
}
