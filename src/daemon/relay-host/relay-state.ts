import { join } from "node:path";
import { z } from "zod";
import { networkInfoSchema } from "../../api/network-map.ts";
import { instantSchema, key32Schema, nameSchema, pemSchema } from "../../api/primitives.ts";
import { relayIdSchema } from "../../api/relay.ts";
import { relayPolicySchema } from "../../api/relay-policy.ts";
import { MachineKey } from "../../control/peer-keys.ts";
import type { Home } from "../networks/home.ts";
import { coordinatorTrustSchema } from "../networks/network-state.ts";
import { StateFile } from "../networks/state-file.ts";

/** What the registration left: which coordinator, how to recognise it, and which of its network's relays we are. */
const relayEnrolmentSchema = z.strictObject({
  version: z.literal(1),
  urls: z.array(z.url()).min(1),
  trust: coordinatorTrustSchema,
  network: networkInfoSchema,
  relayId: relayIdSchema,
  name: nameSchema,
  registeredAt: instantSchema,
});
export type RelayEnrolment = z.output<typeof relayEnrolmentSchema>;

/** Raw Ed25519 seed in base64. */
const keyFileSchema = z.strictObject({ version: z.literal(1), machinePrivateKey: key32Schema });

/** The key of the TLS server, PKCS #8, and what the coordinator's CA certified it by last. */
const tlsFileSchema = z.strictObject({
  version: z.literal(1),
  privateKeyPem: z.string(),
  certificatePem: pemSchema.nullable(),
});

const policyFileSchema = z.strictObject({ version: z.literal(1), policy: relayPolicySchema });

/** The state files of a stand-alone relay. */
export class RelayState {
  readonly directory: string;
  readonly lockFile: string;
  readonly enrolment: StateFile<typeof relayEnrolmentSchema>;
  readonly tls: StateFile<typeof tlsFileSchema>;
  readonly policy: StateFile<typeof policyFileSchema>;
  readonly #key: StateFile<typeof keyFileSchema>;

  constructor(home: Home) {
    this.directory = join(home.stateDirectory, "relay");
    this.lockFile = join(this.directory, "lock");
    this.enrolment = new StateFile(join(this.directory, "enrolment.json"), relayEnrolmentSchema);
    this.tls = new StateFile(join(this.directory, "tls.json"), tlsFileSchema);
    this.policy = new StateFile(join(this.directory, "policy.json"), policyFileSchema);
    this.#key = new StateFile(join(this.directory, "key.json"), keyFileSchema);
  }

  async loadOrCreateKey(): Promise<MachineKey> {
    const stored = await this.#key.read();
    if (stored !== undefined) return new MachineKey(Buffer.from(stored.machinePrivateKey, "base64"));
    const key = MachineKey.generate();
    await this.#key.write({ version: 1, machinePrivateKey: Buffer.from(key.exportSeed()).toString("base64") });
    return key;
  }
}
