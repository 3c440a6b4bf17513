import type { AdminCidr } from "../../api/admin-cidrs.ts";
import { type Column, renderTable } from "./table.ts";

/** The CIDRs as a table, in the order given: a CIDR stands before what it holds. */
export function cidrTable(cidrs: readonly AdminCidr[], { tree }: { readonly tree: boolean }): string {
  const branches = tree ? branchesOf(cidrs) : undefined;
  const columns: readonly Column<AdminCidr>[] = [
    { title: "NAME", cell: ({ name }) => `${branches?.get(name) ?? ""}${name}` },
    { title: "IPV4", cell: ({ cidr4 }) => cidr4 },
    { title: "IPV6", cell: ({ cidr6 }) => cidr6 },
    ...(tree ? [] : [{ title: "PARENT", cell: ({ parent }: AdminCidr) => parent ?? "-" }]),
    { title: "STATE", cell: ({ enabled }) => (enabled ? "enabled" : "disabled") },
    { title: "PEERS", cell: ({ peers }) => String(peers), align: "right" },
    { title: "NEXT FREE", cell: ({ nextIp4 }) => nextIp4 ?? "-" },
  ];
  return renderTable(columns, cidrs);
}

/** What is drawn before each name: `│  ├─ `. */
function branchesOf(cidrs: readonly AdminCidr[]): ReadonlyMap<string, string> {
  const drawn = new Map<string, string>();
  const draw = (parent: string | null, indent: string) => {
    const children = cidrs.filter((cidr) => cidr.parent === parent);
    for (const [i, { name }] of children.entries()) {
      const isLast = i === children.length - 1;
      drawn.set(name, parent === null ? "" : `${indent}${isLast ? "└─ " : "├─ "}`);
      draw(name, parent === null ? "" : `${indent}${isLast ? "   " : "│  "}`);
    }
  };
  draw(null, "");
  return drawn;
}
