import { type CoordinatorMessage, coordinatorMessageSchema } from "../api/control-channel.ts";
import { MeshError } from "../base/errors.ts";

/** Undefined for a message of a type that this build does not know. @throws MeshError `bad-request` */
export function parseCoordinatorMessage(text: string): CoordinatorMessage | undefined {
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch (cause) {
    throw new MeshError("bad-request", "the coordinator sent something that is no JSON", { cause });
  }
  const parsed = coordinatorMessageSchema.safeParse(fields);
  if (parsed.success) return parsed.data;
  if (hasUnknownType(fields)) return undefined;
  throw new MeshError("bad-request", "the coordinator sent a message of a wrong shape", { cause: parsed.error });
}

const KNOWN_TYPES: ReadonlySet<unknown> = new Set(
  coordinatorMessageSchema.options.flatMap(({ shape }) => [...shape.type.values]),
);

function hasUnknownType(fields: unknown): boolean {
  return typeof fields === "object" && fields !== null && "type" in fields && !KNOWN_TYPES.has(fields.type);
}
