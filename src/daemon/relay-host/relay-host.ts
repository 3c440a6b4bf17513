import { mkdir } from "node:fs/promises";
import { parseListenAddress } from "../../api/listen-address.ts";
import { RELAY_PATH } from "../../api/relay.ts";
import type { RelayPolicyDocument } from "../../api/relay-policy.ts";
import type { Clock } from "../../base/clock.ts";
import { DisposeStack } from "../../base/dispose.ts";
import { MeshError } from "../../base/errors.ts";
import { type Logger, loggerOf } from "../../base/logger.ts";
import type { Redactor } from "../../base/redactor.ts";
import { RelayChannel } from "../../control/relay-channel.ts";
import { sweepTemporaries } from "../../host/atomic-file.ts";
import { FileLock } from "../../host/file-lock.ts";
import { underlaySockets } from "../../host/underlay/underlay-sockets.ts";
import { StunServer, withAlternatePort } from "../../nat/stun/stun-server.ts";
import { DEFAULT_RELAY_LIMITS } from "../../relay/limits.ts";
import { Relay } from "../../relay/relay.ts";
import { ClientAddresses } from "../../web/client-address.ts";
import type { Readiness } from "../../web/health.ts";
import { Listeners, type TlsMaterial } from "../../web/listeners.ts";
import { type LiveOptions, LiveServers } from "../../web/live-servers.ts";
import { deriveUrls } from "../../web/own-urls.ts";
import { readTlsFiles } from "../../web/tls-files.ts";
import { concealSecrets } from "../membership/conceal-keys.ts";
import { underlayDial } from "../session/underlay-dial.ts";
import { PolicyKeeper } from "./policy-keeper.ts";
import { enrolRelay } from "./relay-enrol.ts";
import { openRelayMetrics } from "./relay-host-metrics.ts";
import type { RelayPlan } from "./relay-plan.ts";
import { refuseRelayUpgrade, relayAnswers } from "./relay-requests.ts";
import { type RelayEnrolment, RelayState } from "./relay-state.ts";
import { RelayTls } from "./relay-tls.ts";

const REQUEST_TIMEOUT_MS = 15_000;
const RENEWAL_CHECK_MS = 3_600_000;

export interface RelayHostDeps {
  readonly logger: Logger;
  /** Keeps this machine's key out of the log. */
  readonly redactor: Redactor;
  readonly clock: Clock;
  /** Ends a start that waits for the coordinator, with `interrupted`. */
  readonly signal?: AbortSignal;
}

/**
 * A stand-alone relay: forwards as the coordinator's policy says, which it is told live and keeps on disk, and answers STUN.
 * It serves by the time `start` returns, with the policy of an earlier run while the coordinator is away.
 */
export class RelayHost implements AsyncDisposable {
  readonly enrolment: RelayEnrolment;
  /** How peers reach it, best first. */
  readonly urls: readonly string[];
  /** Rejects when the relay has no part in the network any more. */
  readonly ended: Promise<never>;
  readonly #live: LiveServers;
  readonly #resources: DisposeStack;

  private constructor(
    { enrolment, urls, ended }: Pick<RelayHost, "enrolment" | "urls" | "ended">,
    live: LiveServers,
    resources: DisposeStack,
  ) {
    this.enrolment = enrolment;
    this.urls = urls;
    this.ended = ended;
    this.#live = live;
    this.#resources = resources;
  }

  /** What a half start acquired is given back. */
  static async start(plan: RelayPlan, deps: RelayHostDeps): Promise<RelayHost> {
    const resources = new DisposeStack();
    try {
      return await RelayHost.#compose(plan, deps, resources);
    } catch (failure) {
      await resources.close();
      throw failure;
    }
  }

  static async #compose(plan: RelayPlan, deps: RelayHostDeps, resources: DisposeStack): Promise<RelayHost> {
    const { logger, clock } = deps;
    const clientAddresses = new ClientAddresses(plan.trustedProxies);
    const state = new RelayState(plan.home);
    await mkdir(state.directory, { recursive: true, mode: 0o700 });
    resources.use(await FileLock.acquire(state.lockFile, "a relay"));
    await sweepTemporaries(state.directory, { idleMs: 0 });
    const tls = plan.tls === "auto" ? await RelayTls.open(state.tls) : undefined;
    resources.defer(() => tls?.flush());
    const key = await state.loadOrCreateKey();
    concealSecrets([key.exportSeed()], deps.redactor);
    const existing = await state.enrolment.read();
    // No firewall mark: nothing is routed here that could lead a connection of ours into itself.
    const dial = underlayDial(underlaySockets(0));
    const log = loggerOf("control", logger);
    const enrolment = await enrolRelay({ plan, key, tls, existing, dial, logger: log, signal: deps.signal });
    await state.enrolment.write(enrolment);

    const { network, relayId } = enrolment;
    const policies = await PolicyKeeper.open(state.policy, log);
    resources.defer(() => policies.flush());
    const relay = new Relay(
      { networkId: network.id, relayId, limits: plan.limits },
      { policy: policies.view, clock, logger: loggerOf("relay", logger) },
    );
    resources.defer(() => relay.close());
    const readiness = () => (policies.policy === undefined ? "the coordinator has told it of no peers yet" : undefined);
    const parts = { ...deps, relay, tls, clientAddresses, readiness };
    const { listeners, stun } = await openServers(plan, parts, resources);
    const scheme = plan.tls === "off" ? "http" : "https";
    const urls = plan.publicUrls.length > 0 ? plan.publicUrls : deriveUrls(scheme, listeners.addresses);
    const stunPorts = [...new Set(stun.addresses.map(({ port }) => port))];

    let end: (failure: MeshError) => void = () => {};
    const ended = new Promise<never>((_, reject) => {
      end = reject;
    });
    // Who awaits it hears of the failure; until then it must not count as unhandled.
    ended.catch(() => undefined);
    const channel = new RelayChannel(
      {
        urls: enrolment.urls,
        trust: enrolment.trust,
        networkId: network.id,
        key,
        announcement: { urls: [...urls], stunPorts, tlsKey: tls?.publicKey ?? null },
        policy: policies.policy,
      },
      {
        onPolicy: (policy) => policies.take(policy),
        onCertificate: (certificatePem) => void keepCertificate(certificatePem),
        onDisconnected: (error) => {
          if (error.code !== "not-registered") return;
          policies
            .forget()
            .catch((failure: unknown) => logger.error({ err: failure }, "the policy is still on disk"))
            .finally(() => end(error));
        },
      },
      { logger: log, clock, socketFactory: dial },
    );
    const keepCertificate = async (certificatePem: string) => {
      try {
        const kept = tls?.keep(certificatePem);
        if (tls?.material !== undefined) listeners.useCertificate(tls.material);
        await kept;
      } catch (failure) {
        logger.error({ err: failure }, "the certificate was not kept");
      }
    };
    resources.use(channel);
    channel.start();
    const source = () => ({ peers: peerCount(policies.policy), isConnected: channel.isConnected });
    const measured = { relay, source, readiness, logger };
    const metrics = resources.use(await openRelayMetrics(plan.metricsListen, measured));
    const renewal = setInterval(() => {
      if (tls?.isRenewalDue(clock.wallMs())) channel.announce();
    }, RENEWAL_CHECK_MS);
    resources.defer(() => clearInterval(renewal));
    logger.info({ network: network.name, urls, peers: peerCount(policies.policy) }, "relay ready");
    const live = new LiveServers({ listeners, clientAddresses, metrics });
    return new RelayHost({ enrolment, urls, ended }, live, resources.move());
  }

  /** While peers are served. All or nothing. @throws MeshError as `LiveServers` */
  reconfigure(options: LiveOptions): Promise<void> {
    return this.#live.take(options);
  }

  /** Takes no more clients, tells those that are connected, and lets go of everything. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources.close();
  }
}

interface ServerParts extends RelayHostDeps {
  readonly relay: Relay;
  readonly tls: RelayTls | undefined;
  readonly clientAddresses: ClientAddresses;
  readonly readiness: Readiness;
}

async function openServers(
  plan: RelayPlan,
  { relay, tls, clientAddresses, readiness, logger, clock }: ServerParts,
  resources: DisposeStack,
): Promise<{ readonly listeners: Listeners; readonly stun: StunServer }> {
  const stunListen = withAlternatePort(plan.stunListen.map(parseListenAddress));
  const stun = resources.use(
    await StunServer.open(
      { listen: stunListen, mayFail: plan.stunMayFail },
      { clock, logger: loggerOf("stun", logger) },
    ),
  );
  const listeners = await Listeners.open({
    listen: plan.listen.map(parseListenAddress),
    tls: await materialOf(plan.tls, tls),
    limits: { requestTimeoutMs: REQUEST_TIMEOUT_MS, drainMs: DEFAULT_RELAY_LIMITS.drainMs },
    logger: loggerOf("http", logger),
    onRequest: relayAnswers(readiness),
    onUpgrade: (request, socket, head) => {
      const isRelayPath = (request.url ?? "").split("?", 1)[0] === RELAY_PATH;
      if (isRelayPath) relay.handleUpgrade(request, socket, head, clientAddresses.of(request));
      else refuseRelayUpgrade(socket);
    },
  });
  // Both at once: a server is closed only when its WebSockets are.
  resources.defer(async () => {
    await Promise.all([listeners.close(), relay.close()]);
  });
  return { listeners, stun };
}

async function materialOf(mode: RelayPlan["tls"], tls: RelayTls | undefined): Promise<TlsMaterial | undefined> {
  if (mode === "off") return undefined;
  if (mode !== "auto") return readTlsFiles(mode);
  if (tls?.material === undefined) throw new MeshError("internal", "a relay without the certificate it was given");
  return tls.material;
}

function peerCount(policy: RelayPolicyDocument | undefined): number {
  return policy?.peers.length ?? 0;
}
