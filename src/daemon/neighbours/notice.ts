import { z } from "zod";

/** What the daemon of one network tells those of the others on this machine, in a file beside its socket. */
export const noticeSchema = z.strictObject({
  version: z.literal(1),
  /** One of an earlier boot says nothing any more. */
  boot: z.string(),
  /** By which this machine knows the network. */
  network: z.string(),
  interface: z.string(),
  /** `ADDRESS/BITS`: what is reached through the interface, the mesh itself and networks behind its peers. */
  reach: z.array(z.string()).readonly(),
  /** An exit was asked for: nothing of this machine leaves around it. */
  exit: z.boolean(),
  /** Its name server; null where it has none for this machine. */
  dns: z
    .strictObject({
      /** On loopback, port 53. */
      server: z.string(),
      domain: z.string(),
      /** Further names that it answers, such as the zones of the reverse lookup. */
      zones: z.array(z.string()).readonly(),
    })
    .nullable(),
});
export type Notice = z.output<typeof noticeSchema>;

/** Another network of this machine, whose daemon runs or was killed since the machine started. */
export type Neighbour = Omit<Notice, "version" | "boot">;
