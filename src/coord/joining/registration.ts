import { verifyKeyProof } from "../../api/key-proof.ts";
import type { NetworkInfo } from "../../api/network-map.ts";
import { negotiateProtocol, PROTOCOL_VERSIONS, type ProtocolRange } from "../../api/protocol-version.ts";
import {
  type ChallengeResponse,
  type LeaveRequest,
  leaveTranscript,
  type RegisterRequest,
  type RegisterResponse,
  registrationTranscript,
} from "../../api/registration.ts";
import type { Clock } from "../../base/clock.ts";
import { MeshError } from "../../base/errors.ts";
import type { RateLimiter } from "../../base/rate-limiter.ts";
import { sourceBlock } from "../../packet/source-block.ts";
import { allocateAddress } from "../addresses/allocation.ts";
import { selfInfo } from "../maps/map-builder.ts";
import { peerDisabled } from "../peers/manage-peers.ts";
import { type RemovalDeps, removePeer } from "../peers/removal.ts";
import type { Registry } from "../registry.ts";
import { auditedPeer, recordEvent } from "../store/audit.ts";
import type { PeerRow } from "../store/schema.ts";
import type { Store, Writer } from "../store/store.ts";
import type { Challenges } from "./challenges.ts";
import { checkMachineProof, checkWireguardProof } from "./proofs.ts";
import { isNameReserved, redeemToken } from "./tokens.ts";

interface RegistrarDeps extends RemovalDeps {
  readonly network: NetworkInfo;
  readonly store: Store;
  readonly challenges: Challenges;
  readonly rateLimiter: RateLimiter;
  readonly clock: Clock;
}

/** To a machine that nobody here knows: for all that it believes, it was removed. */
export function notRegistered(): MeshError {
  return new MeshError("not-registered", "this machine is no longer a peer of the network, it has to join again", {
    hint: "Join with a token: `mesh join TOKEN`.",
  });
}

/** How machines become peers, come back, and leave. */
export class Registrar {
  #deps: RegistrarDeps;

  constructor(deps: RegistrarDeps) {
    this.#deps = deps;
  }

  /** @throws MeshError `rate-limited` */
  challenge(sourceAddress: string): ChallengeResponse {
    const { rateLimiter, clock, challenges } = this.#deps;
    if (!rateLimiter.take(sourceBlock(sourceAddress), clock.monotonicMs())) {
      throw new MeshError("rate-limited", "too many requests from this address");
    }
    return challenges.issue(clock.wallMs());
  }

  /**
   * Makes a peer of a machine that proves both its keys and brings a token, or gives a known machine its place again.
   * All in one transaction: whatever fails, no token is spent and no address taken.
   * @throws MeshError `protocol-mismatch`, `challenge-unknown`, `bad-key`, `proof-invalid`, `peer-disabled`,
   *   `name-mismatch` (this machine has another name), `key-taken`, `token-…`, `name-taken`, `cidr-full`, `cidr-disabled`
   */
  async register(request: RegisterRequest, sourceAddress: string): Promise<RegisterResponse> {
    const { network, store, registry, clock } = this.#deps;
    const protocolVersion = requireProtocol(request.protocol);
    this.#checkProofs(request);
    const nowMs = clock.wallMs();
    const { row, resumed } = await store.write(async (writer) => {
      const known = await findPeer(writer, "machine_key", request.machineKey);
      const row =
        known === undefined
          ? await admit(writer, request, registry, nowMs)
          : await resume(writer, known, request, nowMs);
      writer.afterCommit(() => {
        if (row !== known) registry.applyRow(row);
        if (known !== undefined) registry.setSeen(row.id, nowMs);
      });
      return { row, resumed: known !== undefined };
    });
    const peer = registry.byId(row.id);
    if (peer === undefined) throw new MeshError("not-registered", "this machine left while it registered");
    return {
      protocolVersion,
      network,
      self: selfInfo(peer),
      observedAddress: sourceAddress,
      resumed,
    };
  }

  /**
   * Removes the machine's peer, see `removePeer`.
   * @throws MeshError `challenge-unknown`, `bad-key`, `proof-invalid`, `not-registered`
   */
  async leave(request: LeaveRequest): Promise<void> {
    const { network, store, challenges, clock } = this.#deps;
    const nowMs = clock.wallMs();
    const { nonce } = challenges.take(request.challengeId, nowMs);
    const { challengeId, machineKey } = request;
    const transcript = leaveTranscript({ networkId: network.id, challengeId, nonce, machineKey });
    checkMachineProof(machineKey, transcript, request.machineProof);
    await store.write(async (writer) => {
      const row = await findPeer(writer, "machine_key", machineKey);
      if (row === undefined) throw notRegistered();
      const why = new MeshError("not-registered", "this machine has left the network");
      await removePeer(writer, { row, actor: `peer:${row.name}`, action: "peer.leave", why }, this.#deps, nowMs);
    });
  }

  #checkProofs(request: RegisterRequest): void {
    const { network, challenges, clock } = this.#deps;
    const { challengeId, name, machineKey, wireguardKey, token } = request;
    const { nonce, ephemeralKey, ephemeralPrivateKey } = challenges.take(challengeId, clock.wallMs());
    const transcript = registrationTranscript({
      networkId: network.id,
      challengeId,
      nonce,
      ephemeralKey,
      name,
      machineKey,
      wireguardKey,
      token,
    });
    checkMachineProof(machineKey, transcript, request.machineProof);
    checkWireguardProof(wireguardKey, ephemeralPrivateKey, transcript, request.wireguardProof);
    if (request.keyProof !== undefined && !verifyKeyProof(network.id, request, request.keyProof)) {
      throw new MeshError("proof-invalid", "the machine key's word for the WireGuard key does not fit");
    }
  }
}

/** @throws MeshError `protocol-mismatch`, saying which end is too old */
export function requireProtocol(theirs: ProtocolRange): number {
  const negotiated = negotiateProtocol(PROTOCOL_VERSIONS, theirs);
  if (negotiated.ok) return negotiated.version;
  const older =
    negotiated.tooOld === "ours"
      ? "this coordinator is older than the peer"
      : "this peer is older than the coordinator";
  throw new MeshError("protocol-mismatch", `no common protocol version: ${older}`, {
    hint: negotiated.tooOld === "ours" ? "Upgrade mesh on the coordinator." : "Upgrade mesh on this machine.",
  });
}

/** A machine that is a peer already: same name, no token; a WireGuard key that it has proved replaces the old one. */
async function resume(writer: Writer, known: PeerRow, request: RegisterRequest, nowMs: number): Promise<PeerRow> {
  if (known.state === "disabled") throw peerDisabled(known.name);
  if (known.name !== request.name) {
    throw new MeshError("name-mismatch", `this machine is a peer already, as ${known.name}`);
  }
  if (known.wireguard_key === request.wireguardKey) return known;
  await requireFreeWireguardKey(writer, request.wireguardKey);
  await writer.db.updateTable("peers").set(keyColumns(request)).where("id", "=", known.id).execute();
  const row = { ...known, ...keyColumns(request) };
  await recordEvent(writer, nowMs, {
    actor: `peer:${row.name}`,
    action: "peer.rekey",
    subject: row.name,
    before: auditedPeer(known),
    after: auditedPeer(row),
  });
  return row;
}

async function admit(writer: Writer, request: RegisterRequest, registry: Registry, nowMs: number): Promise<PeerRow> {
  const { db } = writer;
  if (request.token === undefined)
    throw new MeshError("token-required", "this machine is not known here and brings no token");
  const token = await redeemToken(writer, request.token, "peer", nowMs);
  if (token.bound_name !== null && token.bound_name !== request.name) {
    throw new MeshError("token-bound", `this token is for a peer named ${token.bound_name}, not ${request.name}`);
  }
  const isTaken =
    (await findPeer(writer, "name", request.name)) !== undefined ||
    (await isNameReserved(writer, request.name, token.id, nowMs));
  if (isTaken) throw new MeshError("name-taken", `the name ${request.name} is taken`);
  await requireFreeWireguardKey(writer, request.wireguardKey);
  const relay = await db
    .selectFrom("relays")
    .select("name")
    .where("machine_key", "=", request.machineKey)
    .executeTakeFirst();
  if (relay !== undefined) throw new MeshError("key-taken", `this machine key is that of the relay ${relay.name}`);

  const leaf = await db.selectFrom("cidrs").selectAll().where("id", "=", token.cidr_id).executeTakeFirstOrThrow();
  if (!registry.tree.isLive(leaf.id)) {
    throw new MeshError("cidr-disabled", `an admin has disabled ${leaf.name}, the CIDR that this token is for`);
  }
  const reserved = await db.selectFrom("addresses").selectAll().where("token_id", "=", token.id).executeTakeFirst();
  const { ip4, ip6, host } = reserved ?? (await allocateAddress(writer, leaf));
  const row = await db
    .insertInto("peers")
    .values({
      name: request.name,
      machine_key: request.machineKey,
      ...keyColumns(request),
      ip4,
      ip6,
      cidr_id: leaf.id,
      admin: token.admin,
      state: "active",
      tags: token.tags,
      ephemeral: token.ephemeral,
      endpoints: "[]",
      token_id: token.id,
      created_at: nowMs,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  await db
    .insertInto("addresses")
    .values({ ip4, ip6, host, cidr_id: leaf.id, peer_id: row.id })
    .onConflict((address) => address.column("ip4").doUpdateSet({ peer_id: row.id, token_id: null }))
    .execute();
  await recordEvent(writer, nowMs, {
    actor: `peer:${row.name}`,
    action: "peer.register",
    subject: row.name,
    after: { ...auditedPeer(row), token: token.id },
  });
  return row;
}

function keyColumns({ wireguardKey, keyProof }: RegisterRequest): Pick<PeerRow, "wireguard_key" | "key_proof"> {
  return { wireguard_key: wireguardKey, key_proof: keyProof === undefined ? null : JSON.stringify(keyProof) };
}

async function requireFreeWireguardKey(writer: Writer, wireguardKey: string): Promise<void> {
  const holder = await findPeer(writer, "wireguard_key", wireguardKey);
  if (holder !== undefined) throw new MeshError("key-taken", "another peer has this WireGuard key");
}

function findPeer(
  { db }: Writer,
  column: "name" | "machine_key" | "wireguard_key",
  value: string,
): Promise<PeerRow | undefined> {
  return db.selectFrom("peers").selectAll().where(column, "=", value).executeTakeFirst();
}
