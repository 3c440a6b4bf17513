import { join } from "node:path";
import type { TokenCreated } from "../api/admin.ts";
import { tokenCreateSchema } from "../api/admin.ts";
import type { CoordinatorServices } from "../api/control-channel.ts";
import { type ListenAddress, parseListenAddress } from "../api/listen-address.ts";
import { publicUrlSchema } from "../api/listening-config.ts";
import type { NetworkInfo } from "../api/network-map.ts";
import { RELAY_PATH } from "../api/relay.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { DisposeStack } from "../base/dispose.ts";
import { MeshError } from "../base/errors.ts";
import { type Logger, loggerOf, silentLogger } from "../base/logger.ts";
import { RateLimiter } from "../base/rate-limiter.ts";
import { softwareVersion } from "../base/version.ts";
import { StunServer, withAlternatePort } from "../nat/stun/stun-server.ts";
import { ClientAddresses } from "../web/client-address.ts";
import type { TlsMaterial } from "../web/listeners.ts";
import { type LiveOptions, LiveServers } from "../web/live-servers.ts";
import { deriveUrls } from "../web/own-urls.ts";
import { readTlsFiles } from "../web/tls-files.ts";
import { makePrivateDirectory } from "./backup/private-directory.ts";
import { CertificateKeeper } from "./certificates/certificate-keeper.ts";
import { ControlServer } from "./control/control-server.ts";
import { PeerMembership } from "./control/peer-membership.ts";
import { RelayMembership } from "./control/relay-membership.ts";
import { RuleExpiry } from "./filter/rule-expiry.ts";
import { HostMembership } from "./host-membership.ts";
import { adminRoutes } from "./http/admin-routes.ts";
import { openAdminSocket } from "./http/admin-socket.ts";
import { createApp } from "./http/app.ts";
import { PublicServers } from "./http/public-servers.ts";
import type { UpgradeHandler } from "./http/upgrades.ts";
import { Challenges } from "./joining/challenges.ts";
import { Registrar } from "./joining/registration.ts";
import { createToken, type TokenAddressing } from "./joining/tokens.ts";
import { type CoordinatorLimits, DEFAULT_LIMITS } from "./limits.ts";
import { ChangeLog } from "./maps/change-log.ts";
import { Distribution } from "./maps/distribution.ts";
import { MapBuilder } from "./maps/map-builder.ts";
import { openMetrics, storeReadiness } from "./metrics/open-metrics.ts";
import { RequestTimings } from "./metrics/request-timings.ts";
import { type NetworkIdentity, openNetwork } from "./network-setup.ts";
import type { CoordinatorDeps, CoordinatorOptions } from "./options.ts";
import { EphemeralPeers } from "./peers/ephemeral.ts";
import { PeerPolicy } from "./peers/peer-policy.ts";
import type { RemovalDeps } from "./peers/removal.ts";
import { readRegistry } from "./read-registry.ts";
import type { Peer, Registry } from "./registry.ts";
import { openRelays } from "./relays/open-relays.ts";
import { PolicyBuilder } from "./relays/policy-builder.ts";
import { RelayRegistrar } from "./relays/relay-registrar.ts";
import type { RelayRegistry } from "./relays/relay-registry.ts";
import { Store } from "./store/store.ts";
import { reserveMapVersions, Upkeep } from "./upkeep.ts";

const DEFAULT_LISTEN = [":8443"];

interface CoordinatorFacts {
  readonly network: NetworkInfo;
  readonly addresses: readonly ListenAddress[];
  readonly stunAddresses: readonly ListenAddress[];
  readonly urls: readonly string[];
  readonly caFingerprint: string | null;
  readonly adminSocketPath: string;
  readonly firstToken: TokenCreated | undefined;
  readonly host: HostMembership | undefined;
  readonly live: LiveServers;
}

/** The coordinator: composition root of everything below `src/coord`, and its life. */
export class Coordinator implements AsyncDisposable {
  readonly network: NetworkInfo;
  /** Where it listens, with the ports really taken; host "" stands for every address of both families. */
  readonly addresses: readonly ListenAddress[];
  /** Where it answers STUN over UDP, likewise. */
  readonly stunAddresses: readonly ListenAddress[];
  /** How peers reach it, best first: what join tokens carry. */
  readonly urls: readonly string[];
  /** SHA-256 of the CA certificate's DER, hex; null without a CA of our own. */
  readonly caFingerprint: string | null;
  readonly adminSocketPath: string;
  /** On the first run on this home: an admin join token, good for one machine. */
  readonly firstToken: TokenCreated | undefined;
  /** For the machine that it runs on, where that is to be a peer (`hostJoins`). */
  readonly host: HostMembership | undefined;
  #live: LiveServers;
  #resources: DisposeStack;

  private constructor(facts: CoordinatorFacts, resources: DisposeStack) {
    this.network = facts.network;
    this.addresses = facts.addresses;
    this.stunAddresses = facts.stunAddresses;
    this.urls = facts.urls;
    this.caFingerprint = facts.caFingerprint;
    this.adminSocketPath = facts.adminSocketPath;
    this.firstToken = facts.firstToken;
    this.host = facts.host;
    this.#live = facts.live;
    this.#resources = resources;
  }

  /**
   * @throws MeshError `already-running`, `port-in-use`, `not-permitted`, `bad-config`, `bad-cidr`, `bad-name`,
   *   `store-missing`, `store-damaged`, `store-too-new`; nothing is left running then
   */
  static async start(options: CoordinatorOptions, deps: CoordinatorDeps = {}): Promise<Coordinator> {
    const resources = new DisposeStack();
    try {
      const facts = await assemble(options, deps, resources);
      return new Coordinator(facts, resources.move());
    } catch (failure) {
      await resources.close();
      throw failure;
    }
  }

  /** While peers are served. All or nothing. @throws MeshError as `LiveServers` */
  reconfigure(options: LiveOptions): Promise<void> {
    return this.#live.take(options);
  }

  /** Takes no more requests, ends those in flight (3 s at most), tells connected peers, closes the database. */
  close(): Promise<void> {
    return this.#resources.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

interface Settings {
  readonly options: CoordinatorOptions;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: CoordinatorLimits;
  readonly directory: string;
}

async function assemble(
  options: CoordinatorOptions,
  deps: CoordinatorDeps,
  resources: DisposeStack,
): Promise<CoordinatorFacts> {
  const { clock = systemClock, logger = silentLogger } = deps;
  const limits: CoordinatorLimits = { ...DEFAULT_LIMITS, ...deps.limits };
  const listen = (options.listen ?? DEFAULT_LISTEN).map(parseListenAddress);
  const stunListen = withAlternatePort((options.stunListen ?? []).map(parseListenAddress));
  const publicUrls = (options.publicUrls ?? []).map(parsePublicUrl);
  const clientAddresses = new ClientAddresses(options.trustedProxies ?? []);
  const tls = options.tls ?? "auto";
  const settings: Settings = { options, clock, logger, limits, directory: join(options.home, "coordinator") };

  const { store, network, authority, registry } = await openState(settings, resources);
  const stun = resources.use(
    await StunServer.open(
      { listen: stunListen, mayFail: options.stunMayFail === true },
      { clock, logger: loggerOf("stun", logger) },
    ),
  );
  const hasOwn = Object.hasOwn(deps.upgrades ?? {}, RELAY_PATH);
  const relays = await openRelays({ store, registry, authority, hasOwn, limits, clock }, resources);
  const upgrades = openUpgrades(deps.upgrades ?? {}, network, registry, resources);
  const services: CoordinatorServices = {
    relay: hasOwn,
    stunPorts: [...new Set(stun.addresses.map(({ port }) => port))],
  };
  const parts = { network, services, store, registry, relays, authority, clientAddresses };
  const distribution = new Distribution(registry, clock, limits.pushIntervalMs);
  resources.defer(() => distribution.close());
  const control = openControl(settings, { ...parts, distribution }, resources);
  const removal: RemovalDeps = {
    registry,
    ephemeralRestMs: limits.ephemeralRestMs,
    disconnect: (machineKey, why) => control.disconnect(machineKey, why),
  };
  const challenges = new Challenges(limits.challengeLifetimeMs, limits.challengesOutstanding);
  const relayRegistrar = new RelayRegistrar({ ...removal, network, store, relays, authority, challenges, clock });
  const registrar = new Registrar({
    ...removal,
    network,
    store,
    challenges,
    rateLimiter: new RateLimiter(limits.challengeBurst, limits.challengesPerSecond),
    clock,
  });

  const caInUse = tls === "auto" ? authority : undefined;
  let urls: readonly string[] = publicUrls;
  const addressing: TokenAddressing = {
    network: network.name,
    // Without public ones they follow from the ports that are taken below.
    get urls() {
      return urls;
    },
    caFingerprint: caInUse?.fingerprint,
  };
  const { directory } = settings;
  const forAdmins = adminRoutes({ ...removal, network, store, relays, relayRegistrar, clock, addressing, directory });
  const timings = new RequestTimings();
  const servers = new PublicServers({
    network,
    softwareVersion: softwareVersion(),
    registry,
    relays,
    registrar,
    relayRegistrar,
    challenges,
    clientAddresses,
    forAdmins,
    control,
    upgrades,
    limits,
    timings,
    readiness: storeReadiness(store),
    clock,
    logger: loggerOf("http", logger),
  });
  resources.defer(() => servers.close());
  const certificates = new CertificateKeeper(authority, certificateHosts(publicUrls, listen), clock, logger);
  resources.defer(() => certificates.close());
  const listeners = await servers.open(listen, { tls: await tlsMaterial(tls, certificates), authority: caInUse });
  const { ephemeralAbsenceMs: absenceMs, upkeepIntervalMs: intervalMs } = limits;
  const ephemeral = new EphemeralPeers({ ...removal, store, clock, logger, absenceMs, intervalMs });
  // Before the channels close: a stop makes everybody look absent.
  resources.defer(() => ephemeral.close());
  if (caInUse !== undefined) certificates.keepRenewed((certificate) => listeners.useCertificate(certificate));

  const scheme = tls === "off" ? "http" : "https";
  if (urls.length === 0) urls = deriveUrls(scheme, listeners.addresses);
  const adminSocketPath = options.adminSocketPath ?? join(settings.directory, "admin.sock");
  const adminApp = createApp({
    handlers: forAdmins,
    callerOf: () => ({ kind: "host" }),
    bodyBytes: limits.bodyBytes,
    timings,
    logger: loggerOf("http", logger),
  });
  resources.defer(await openAdminSocket(adminSocketPath, adminApp.callback(), limits, loggerOf("http", logger)));

  const measured = { registry, relays, distribution, store, requests: timings, upgrades, logger };
  const metrics = resources.use(await openMetrics(options.metricsListen ?? [], measured));
  const live = new LiveServers({ listeners, clientAddresses, metrics });

  const firstToken = await createFirstToken(store, addressing, clock.wallMs());
  const host =
    options.hostJoins === true
      ? await HostMembership.open(servers, { store, registry, authority, addressing, clock, logger }, resources)
      : undefined;
  logger.info({ network: network.name, urls }, "coordinator ready");
  const caFingerprint = caInUse?.fingerprint ?? null;
  const { addresses } = listeners;
  const stunAddresses = stun.addresses;
  return { network, addresses, stunAddresses, urls, caFingerprint, adminSocketPath, firstToken, host, live };
}

interface State extends NetworkIdentity {
  readonly store: Store;
  readonly registry: Registry;
}

/** What is on the disk, and its picture in memory. */
async function openState(settings: Settings, resources: DisposeStack): Promise<State> {
  const { options, clock, logger, limits, directory } = settings;
  await makePrivateDirectory(directory);
  const store = await Store.open(join(directory, "coordinator.db"), clock.wallMs());
  resources.defer(() => store.close());
  const { network, authority } = await openNetwork(store, options, clock.wallMs());
  const changes = new ChangeLog<Peer>(await reserveMapVersions(store), limits.changeHistory);
  const registry = await readRegistry(store.reader, changes);
  const expiry = new RuleExpiry({ store, registry, clock, logger, intervalMs: limits.upkeepIntervalMs });
  resources.defer(() => expiry.close());
  const upkeep = new Upkeep(store, registry, clock, logger, limits);
  resources.defer(() => upkeep.close());
  return { store, network, authority, registry };
}

interface ControlParts extends State {
  readonly services: CoordinatorServices;
  readonly relays: RelayRegistry;
  readonly distribution: Distribution;
  readonly clientAddresses: ClientAddresses;
}

function openControl(settings: Settings, parts: ControlParts, resources: DisposeStack): ControlServer {
  const { clock, limits } = settings;
  const logger = loggerOf("control", settings.logger);
  const { network, registry, relays, authority, store, services, distribution, clientAddresses } = parts;
  const maps = new MapBuilder(network, registry);
  const policies = new PolicyBuilder(registry);
  const control = new ControlServer({
    networkId: network.id,
    services,
    clientAddresses,
    softwareVersion: softwareVersion(),
    memberships: [
      new PeerMembership({ network, registry, maps, distribution, limits, clock }),
      new RelayMembership({ relays, policies, distribution, authority, store, clock, logger }),
    ],
    limits,
    clock,
    logger,
  });
  resources.defer(() => control.close());
  return control;
}

function openUpgrades(
  openers: NonNullable<CoordinatorDeps["upgrades"]>,
  network: NetworkInfo,
  registry: Registry,
  resources: DisposeStack,
): ReadonlyMap<string, UpgradeHandler> {
  const policy = new PeerPolicy(registry);
  const handlers = new Map<string, UpgradeHandler>();
  for (const [path, open] of Object.entries(openers)) {
    const handler = open({ networkId: network.id, policy });
    resources.defer(() => handler.close());
    handlers.set(path, handler);
  }
  return handlers;
}

/** A network without peers or tokens could not be joined by anybody: it gets an admin token. */
async function createFirstToken(
  store: Store,
  addressing: TokenAddressing,
  nowMs: number,
): Promise<TokenCreated | undefined> {
  return store.write(async (writer) => {
    const token = await writer.db.selectFrom("tokens").select("id").limit(1).executeTakeFirst();
    const peer = await writer.db.selectFrom("peers").select("id").limit(1).executeTakeFirst();
    if (token !== undefined || peer !== undefined) return undefined;
    const request = tokenCreateSchema.parse({ admin: true });
    return createToken(writer, request, { addressing, actor: "coordinator" }, nowMs);
  });
}

async function tlsMaterial(
  tls: NonNullable<CoordinatorOptions["tls"]>,
  certificates: CertificateKeeper,
): Promise<TlsMaterial | undefined> {
  if (tls === "off") return undefined;
  return tls === "auto" ? certificates.issue() : readTlsFiles(tls);
}

function certificateHosts(publicUrls: readonly string[], listen: readonly ListenAddress[]): readonly string[] {
  const fromUrls = publicUrls.map((url) => new URL(url).hostname.replace(/^\[|\]$/g, ""));
  const wildcards = new Set(["", "::", "0.0.0.0"]);
  return [...fromUrls, ...listen.map(({ host }) => host).filter((host) => !wildcards.has(host) && !host.includes("%"))];
}

function parsePublicUrl(text: string): string {
  const parsed = publicUrlSchema.safeParse(text);
  if (!parsed.success) throw new MeshError("bad-config", `not a public URL: ${JSON.stringify(text.slice(0, 100))}`);
  return parsed.data;
}
