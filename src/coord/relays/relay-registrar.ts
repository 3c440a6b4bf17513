import { randomUUID } from "node:crypto";
import type { AdminRelay } from "../../api/admin.ts";
import type { NetworkInfo } from "../../api/network-map.ts";
import {
  type RegisterRelayRequest,
  type RegisterRelayResponse,
  relayRegistrationTranscript,
} from "../../api/relay-registration.ts";
import type { Clock } from "../../base/clock.ts";
import { MeshError } from "../../base/errors.ts";
import { quote } from "../../base/quote.ts";
import { type Authority, issueRelayCertificate } from "../certificates/ca.ts";
import type { Challenges } from "../joining/challenges.ts";
import { checkMachineProof } from "../joining/proofs.ts";
import { requireProtocol } from "../joining/registration.ts";
import { redeemToken } from "../joining/tokens.ts";
import { type Actor, recordEvent } from "../store/audit.ts";
import type { RelayRow } from "../store/schema.ts";
import type { Store, Writer } from "../store/store.ts";
import type { RelayEntry, RelayRegistry } from "./relay-registry.ts";

export interface RelayRegistrarDeps {
  readonly network: NetworkInfo;
  readonly store: Store;
  readonly relays: RelayRegistry;
  readonly authority: Authority;
  readonly challenges: Challenges;
  readonly clock: Clock;
  /** Ends the control channel of a machine that is no more. */
  readonly disconnect: (machineKey: string, why: MeshError) => void;
}

/** How machines become stand-alone relays, come back, and are removed. */
export class RelayRegistrar {
  readonly #deps: RelayRegistrarDeps;

  constructor(deps: RelayRegistrarDeps) {
    this.#deps = deps;
  }

  /**
   * Makes a relay of a machine that proves its key and brings a token with the right to be one, or recognises it.
   * @throws MeshError `protocol-mismatch`, `challenge-unknown`, `bad-key`, `proof-invalid`, `name-mismatch` (it has another
   *   name), `key-taken`, `token-…`, `name-taken`
   */
  async register(request: RegisterRelayRequest): Promise<RegisterRelayResponse> {
    const { network, store, relays, authority, challenges, clock } = this.#deps;
    const protocolVersion = requireProtocol(request.protocol);
    const { challengeId, name, machineKey, token, tlsKey, machineProof } = request;
    const { nonce } = challenges.take(challengeId, clock.wallMs());
    const fields = { networkId: network.id, challengeId, nonce, name, machineKey, token, tlsKey };
    checkMachineProof(machineKey, relayRegistrationTranscript(fields), machineProof);
    const nowMs = clock.wallMs();
    const { row, resumed } = await store.write(async (writer) => {
      const known = await findRelay(writer, "machine_key", machineKey);
      if (known !== undefined && known.name !== name) {
        throw new MeshError("name-mismatch", `this machine is a relay already, as ${known.name}`);
      }
      const row = known ?? (await admit(writer, request, nowMs));
      if (known === undefined) writer.afterCommit(() => relays.applyRow(row, clock.monotonicMs()));
      return { row, resumed: known !== undefined };
    });
    const certificatePem =
      tlsKey === null
        ? null
        : await issueRelayCertificate(authority, row.id, Buffer.from(tlsKey, "base64"), clock.wallMs());
    return { protocolVersion, network, relayId: row.id, certificatePem, resumed };
  }

  /** The relay is out of every map at once, and its channel ends. @throws MeshError `not-found` */
  async remove(name: string, actor: Actor): Promise<AdminRelay> {
    const { store, relays, clock, disconnect } = this.#deps;
    return store.write(async (writer) => {
      const row = await findRelay(writer, "name", name);
      const entry = row === undefined ? undefined : relays.byMachineKey(row.machine_key);
      if (row === undefined || entry === undefined)
        throw new MeshError("not-found", `there is no relay ${quote(name)}`);
      await writer.db.deleteFrom("relays").where("id", "=", row.id).execute();
      await recordEvent(writer, clock.wallMs(), { actor, action: "relay.remove", subject: name, before: audited(row) });
      writer.afterCommit(() => {
        relays.remove(row.machine_key);
        disconnect(row.machine_key, new MeshError("not-registered", "an admin has removed this relay"));
      });
      return describeRelay(entry);
    });
  }
}

export function describeRelay(relay: RelayEntry): AdminRelay {
  const { name, id, urls, stunPorts, hasPublicCertificate, online, lastSeenAtMs, createdAtMs } = relay;
  return {
    name,
    id,
    urls: [...urls],
    stunPorts: [...stunPorts],
    certificate: hasPublicCertificate ? "public" : "mesh",
    online,
    lastSeenAt: lastSeenAtMs === null ? null : new Date(lastSeenAtMs).toISOString(),
    createdAt: new Date(createdAtMs).toISOString(),
  };
}

async function admit(writer: Writer, request: RegisterRelayRequest, nowMs: number): Promise<RelayRow> {
  const { token: text, name, machineKey } = request;
  if (text === undefined) {
    throw new MeshError("token-required", "this machine is no relay here and brings no token", {
      hint: "Start it with a token of `mesh token create --relay`.",
    });
  }
  const token = await redeemToken(writer, text, "relay", nowMs);
  if (token.bound_name !== null && token.bound_name !== name) {
    throw new MeshError("token-bound", `this token is for a relay named ${token.bound_name}, not ${name}`);
  }
  if ((await findRelay(writer, "name", name)) !== undefined) {
    throw new MeshError("name-taken", `there is a relay named ${name} already`);
  }
  const peer = await writer.db
    .selectFrom("peers")
    .select("name")
    .where("machine_key", "=", machineKey)
    .executeTakeFirst();
  if (peer !== undefined) throw new MeshError("key-taken", `this machine key is that of the peer ${peer.name}`);
  const row: RelayRow = {
    id: randomUUID(),
    name,
    machine_key: machineKey,
    urls: "[]",
    stun_ports: "[]",
    public_certificate: 0,
    token_id: token.id,
    created_at: nowMs,
    last_seen_at: null,
  };
  await writer.db.insertInto("relays").values(row).execute();
  const after = { ...audited(row), token: token.id };
  await recordEvent(writer, nowMs, { actor: `relay:${name}`, action: "relay.register", subject: name, after });
  return row;
}

function findRelay({ db }: Writer, column: "name" | "machine_key", value: string): Promise<RelayRow | undefined> {
  return db.selectFrom("relays").selectAll().where(column, "=", value).executeTakeFirst();
}

function audited({ id, name, machine_key, urls }: RelayRow): object {
  return { id, name, machineKey: machine_key, urls: JSON.parse(urls) };
}
