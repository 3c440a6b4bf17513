import type { ListeningFlags } from "./listening-flags.ts";

/** Flags of `mesh serve`, as commander hands them over. */
export interface ServeFlags extends ListeningFlags {
  readonly name?: string;
  readonly domain?: string;
  readonly networkCidr?: string;
  readonly networkCidr6?: string;
  readonly relay?: string;
  /** True for the name of the host. */
  readonly join?: string | true;
}
