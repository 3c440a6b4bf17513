import { createHash } from "node:crypto";
import { z } from "zod";
import { MeshError } from "../base/errors.ts";
import { key32Schema, signatureSchema } from "./primitives.ts";
import { transcript } from "./transcript.ts";

/**
 * A request that a machine signs, so that the coordinator knows who asks: over a challenge of its own (`POST
 * /v1/challenge`), good for one request, in the header
 *
 *     Authorization: Mesh-Machine key="MACHINE KEY", challenge="ID", proof="ED25519 OVER requestTranscript"
 */
const SCHEME = "Mesh-Machine";

const credentialsSchema = z.strictObject({
  machineKey: key32Schema,
  challengeId: z.uuid(),
  proof: signatureSchema,
});
export type MachineCredentials = z.infer<typeof credentialsSchema>;

/** What is signed: who asks whom for what, and under which challenge. A proof is worth nothing for anything else. */
export function requestTranscript(fields: {
  readonly networkId: string;
  readonly challengeId: string;
  readonly nonce: string;
  readonly machineKey: string;
  readonly method: string;
  /** Path and query, as sent. */
  readonly target: string;
  /** Empty where there is none. */
  readonly body: Uint8Array;
}): Uint8Array {
  const { networkId, challengeId, nonce, machineKey, method, target, body } = fields;
  const digest = createHash("sha256").update(body).digest("base64");
  return transcript("mesh request v1", [networkId, challengeId, nonce, machineKey, method, target, digest]);
}

export function formatCredentials({ machineKey, challengeId, proof }: MachineCredentials): string {
  return `${SCHEME} key="${machineKey}", challenge="${challengeId}", proof="${proof}"`;
}

/** Undefined for a header of another scheme, or none. @throws MeshError `bad-request` */
export function parseCredentials(header: string | undefined): MachineCredentials | undefined {
  if (header === undefined || !new RegExp(`^${SCHEME}( |$)`, "i").test(header)) return undefined;
  const fields = /^\S+ key="([^"]*)", challenge="([^"]*)", proof="([^"]*)"$/.exec(header);
  const parsed = credentialsSchema.safeParse({
    machineKey: fields?.[1],
    challengeId: fields?.[2],
    proof: fields?.[3],
  });
  if (!parsed.success) throw new MeshError("bad-request", "the authorization header has a wrong shape");
  return parsed.data;
}
