import { z } from "zod";
import { portSchema } from "./primitives.ts";

/** A stock SSH server through which every SSH connection to a peer goes, as it is stored; the files by absolute path. */
export const sshJumpSchema = z.strictObject({
  user: z.string().min(1),
  host: z.string().min(1),
  port: portSchema,
  identityFile: z.string().min(1),
  knownHostsFile: z.string().min(1),
});
export type SshJump = z.output<typeof sshJumpSchema>;

const SSH_PORT = 22;
const DESTINATION = /^([^\s@:]+)@(?:\[([0-9a-fA-F:.]+)\]|([^\s@:[\]]+))(?::(\d{1,5}))?$/;

const destinationSchema = z
  .string()
  .max(512)
  .transform((text, context) => {
    const [, user, v6, host = v6, port = SSH_PORT] = DESTINATION.exec(text) ?? [];
    const parsed = portSchema.safeParse(Number(port));
    if (user !== undefined && host !== undefined && parsed.success) return { user, host, port: parsed.data };
    context.addIssue("a jump host such as user@bastion:22 or user@[2001:db8::1]");
    return z.NEVER;
  });

/** As people write it in a configuration file: `{jump: "user@bastion:22", identity: FILE, known_hosts: FILE}`, or `{jump: off}`. */
export const writtenSshSchema = z.union([
  z.strictObject({ jump: z.literal("off") }).transform(() => null),
  z
    .strictObject({ jump: destinationSchema, identity: z.string().min(1), known_hosts: z.string().min(1) })
    .transform(({ jump, identity, known_hosts }) => ({
      ...jump,
      identityFile: identity,
      knownHostsFile: known_hosts,
    })),
]);
