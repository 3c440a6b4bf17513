import type { Command } from "commander";

export interface CommandReference {
  readonly name: string;
  readonly usage: string;
  readonly group: string;
  readonly description: string;
  readonly options: readonly { readonly flags: string; readonly description: string }[];
  readonly commands: readonly CommandReference[];
}
export function commandTree(command: Command, above?: string): CommandReference;
