import type { ListeningFlags } from "./listening-flags.ts";

/** Flags of `mesh relay`, as commander hands them over. */
export interface RelayFlags extends ListeningFlags {
  readonly server?: string[];
  readonly token?: string;
  readonly tokenFile?: string;
  readonly name?: string;
}
