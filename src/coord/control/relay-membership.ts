import type { RelayAnnouncement } from "../../api/control-channel.ts";
import type { Clock } from "../../base/clock.ts";
import { MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { type Authority, issueRelayCertificate } from "../certificates/ca.ts";
import type { Distribution } from "../maps/distribution.ts";
import type { PolicyBuilder } from "../relays/policy-builder.ts";
import type { RelayEntry, RelayRegistry } from "../relays/relay-registry.ts";
import type { Store } from "../store/store.ts";
import type { Channel, MemberMessage } from "./channel.ts";
import type { Membership } from "./membership.ts";

export interface RelayMembershipDeps {
  readonly relays: RelayRegistry;
  readonly policies: PolicyBuilder;
  readonly distribution: Distribution;
  readonly authority: Authority;
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Stand-alone relays are told the policy, tell where they are found, and get a certificate for it. */
export class RelayMembership implements Membership {
  readonly #deps: RelayMembershipDeps;

  constructor(deps: RelayMembershipDeps) {
    this.#deps = deps;
  }

  find(machineKey: string): RelayEntry | undefined {
    return this.#deps.relays.byMachineKey(machineKey);
  }

  subscribe(channel: Channel, policyVersion: number | null): () => void {
    const { distribution, policies } = this.#deps;
    return distribution.subscribe(channel, policies, policyVersion);
  }

  setPresence(machineKey: string, isOnline: boolean): void {
    const { relays, clock } = this.#deps;
    relays.setPresence(machineKey, isOnline, clock.wallMs(), clock.monotonicMs());
  }

  take(channel: Channel, message: MemberMessage): void {
    if (message.type !== "relay") throw new MeshError("bad-request", `no relay sends ${message.type}`);
    this.#announced(channel, message).catch((failure: unknown) => {
      if (failure instanceof MeshError) channel.reject(failure);
      else this.#deps.logger.error({ error: failure }, "what a relay announced was not taken");
    });
  }

  /** First the certificate: who hears of the relay is to find it with one. */
  async #announced(channel: Channel, { urls, stunPorts, tlsKey }: RelayAnnouncement): Promise<void> {
    const { relays, store, clock, authority } = this.#deps;
    const { machineKey } = channel;
    const relay = this.find(machineKey);
    if (relay === undefined) return;
    if (tlsKey !== null) {
      const publicKey = Buffer.from(tlsKey, "base64");
      const certificatePem = await issueRelayCertificate(authority, relay.id, publicKey, clock.wallMs());
      channel.tell({ type: "certificate", certificatePem });
    }
    await store.write(async ({ db, afterCommit }) => {
      const row = await db
        .updateTable("relays")
        .set({
          urls: JSON.stringify(urls),
          stun_ports: JSON.stringify(stunPorts),
          public_certificate: tlsKey === null ? 1 : 0,
          last_seen_at: clock.wallMs(),
        })
        .where("machine_key", "=", machineKey)
        .returningAll()
        .executeTakeFirst();
      if (row !== undefined) afterCommit(() => relays.applyRow(row, clock.monotonicMs()));
    });
  }
}
