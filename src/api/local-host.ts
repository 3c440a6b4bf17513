import { z } from "zod";

/** What the daemon has changed on its host: `mesh status --host`, `mesh undo`. Routes: `local.ts`. */

export const hostChangeViewSchema = z.object({
  /** Whose it is: `interface`, `guard`, `exit-use`, `exit-offer`, `subnet-routes`, `dns`. */
  owner: z.string(),
  /** `address`, `route`, `rule`, `nft-table`, `sysctl`… */
  kind: z.string(),
  /** In words, one line. */
  what: z.string(),
  /** It stays when the daemon ends otherwise than by `mesh down`. */
  outlivesDaemon: z.boolean(),
});
export type HostChangeView = z.infer<typeof hostChangeViewSchema>;

/** Oldest first. */
export const hostViewSchema = z.object({ changes: z.array(hostChangeViewSchema) });
export type HostView = z.infer<typeof hostViewSchema>;
