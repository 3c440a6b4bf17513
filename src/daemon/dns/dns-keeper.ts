import { isIP } from "node:net";
import dnsPacket, { type Answer } from "dns-packet";
import type { DnsAnswer, DnsQueryReply, DnsQueryRequest, DnsStatus } from "../../api/local-dns.ts";
import type { NetworkInfo, SelfInfo } from "../../api/network-map.ts";
import type { Clock } from "../../base/clock.ts";
import { MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { Asker } from "../../dns/asker.ts";
import { Forwarder } from "../../dns/forward/forwarder.ts";
import { parseServer } from "../../dns/forward/routes.ts";
import { type Query, readQuery } from "../../dns/message/query.ts";
import { recordText } from "../../dns/message/record-text.ts";
import { Responder } from "../../dns/responder.ts";
import { Listeners } from "../../dns/server/listeners.ts";
import { loopbackCandidates } from "../../dns/server/loopback.ts";
import { reverseName, reverseZones } from "../../dns/zone/reverse.ts";
import { Zone, type ZoneSource } from "../../dns/zone/zone.ts";
import type { DnsSockets } from "../../host/dns-exchange.ts";
import { plainSocket } from "../../host/tcp.ts";
import { plainUdp } from "../../host/udp.ts";
import { canonicalAddress } from "../../packet/address.ts";
import { parseCidr } from "../../packet/cidr.ts";
import type { Neighbour } from "../neighbours/notice.ts";
import type { Warnings } from "../warnings.ts";
import { readSystemServers, type SystemServers } from "./system-servers.ts";
import { type ExitState, type PlannedRoute, planUpstreams } from "./upstream-plan.ts";

export interface DnsKeeperOptions {
  /** For this host itself. Peers whose exit it is are served either way. */
  readonly enabled: boolean;
  readonly interfaceName: string;
  readonly network: NetworkInfo;
  readonly self: SelfInfo;
}

export interface DnsKeeperDeps {
  /** Towards the underlay. */
  readonly sockets: DnsSockets;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly warnings: Warnings;
  /** Whose exit this machine uses, at each moment. */
  readonly exit: () => ExitState;
  /** Other networks of this machine, at each moment. */
  readonly neighbours: () => readonly Neighbour[];
  /** Whether this machine is an exit of others, at each moment. */
  readonly servesPeers: () => boolean;
  /** What this host asked before we came. */
  readonly systemServers?: () => Promise<SystemServers>;
}

/** What the host's own resolver is to be told: whom to ask, and for which names. */
export interface DnsService {
  /** On loopback: there it is told from the servers that this host has otherwise. */
  readonly server: string;
  /** The mesh domain. */
  readonly domain: string;
  /** Further names for which we know whom to ask: reverse zones of the mesh, suffixes by the network's word. */
  readonly zones: readonly string[];
  /** So we do for all others: the network's servers, or an exit's. */
  readonly takesAll: boolean;
}

/** As a program of this host, which an exit in use takes along. */
const HOST_SOCKETS: DnsSockets = { openUdp: plainUdp, dial: plainSocket };
const NO_DNS = { records: [], servers: [], splits: [] };
const RECURSION_DESIRED = 0x0100;
/** Of warnings. */
const LISTENER = "dns listener ";

/** The name server of this machine: it answers from the map in force, and asks others as network, host and exit have it. */
export class DnsKeeper implements AsyncDisposable {
  readonly #options: DnsKeeperOptions;
  readonly #deps: DnsKeeperDeps;
  #isEnabled: boolean;
  readonly #forwarder: Forwarder;
  readonly #responder: Responder;
  readonly #peers = new Set<string>();
  readonly #own: ReadonlySet<string>;
  /** The exit's guard lets our mark by: as soon as one is asked for, no question goes out with it. */
  readonly #sockets: DnsSockets;
  #listeners: Listeners | undefined;
  /** Listeners open and close one after the other. */
  #turn: Promise<void> = Promise.resolve();
  #isClosed = false;
  #source: ZoneSource;
  /** Made when it is asked first: a map may change often, and nobody may ask. */
  #zone: Zone | undefined;
  #system: SystemServers = { servers: [], source: "nowhere" };
  #routes: readonly PlannedRoute[] = [];

  private constructor(options: DnsKeeperOptions, deps: DnsKeeperDeps) {
    const { network, self } = options;
    this.#options = options;
    this.#deps = deps;
    this.#isEnabled = options.enabled;
    this.#own = new Set([self.ip4, self.ip6].map(canonicalAddress));
    this.#source = { version: 0, network, self, peers: [], dns: NO_DNS };
    const isExitAsked = () => deps.exit() !== undefined || deps.neighbours().some(({ exit }) => exit);
    const socketsNow = () => (isExitAsked() ? HOST_SOCKETS : deps.sockets);
    this.#sockets = {
      openUdp: (address) => socketsNow().openUdp(address),
      dial: (target, signal) => socketsNow().dial(target, signal),
    };
    this.#forwarder = new Forwarder({ clock: deps.clock });
    this.#responder = new Responder({
      zone: () => this.#zoneInForce(),
      forwarder: this.#forwarder,
      servesPeers: deps.servesPeers,
    });
  }

  /** Where it cannot listen, a warning says so: nothing else of the machine depends on it. */
  static async open(options: DnsKeeperOptions, deps: DnsKeeperDeps): Promise<DnsKeeper> {
    const keeper = new DnsKeeper(options, deps);
    deps.warnings.replaceGroup(LISTENER, new Map());
    await keeper.#settle();
    return keeper;
  }

  /** For this host itself, or no more. Never rejects. */
  enable(isEnabled: boolean): Promise<void> {
    this.#turn = this.#turn.then(async () => {
      if (isEnabled === this.#isEnabled) return;
      this.#isEnabled = isEnabled;
      // On loopback as well, or there no more.
      await this.#silence();
      await this.#settle();
      this.#listenersChanged();
    });
    return this.#turn;
  }

  /** What follows from whether we are an exit, and use one, and from other networks. To be called when that may have changed; looks at nothing. */
  keep(): void {
    if (this.#isAnswering !== (this.#listeners !== undefined)) this.#turn = this.#turn.then(() => this.#settle());
    this.#plan();
  }

  /** Peers whose exit this machine is can ask it. */
  get isOpenToPeers(): boolean {
    return (this.#listeners?.states ?? []).some(({ address, problem }) => problem === null && this.#own.has(address));
  }

  /** Undefined where it is switched off, or could not listen on loopback. */
  get service(): DnsService | undefined {
    if (!this.#isEnabled) return undefined;
    const states = this.#listeners?.states ?? [];
    const server = states.find(({ address, problem }) => problem === null && address.startsWith("127."))?.address;
    if (server === undefined) return undefined;
    const { domain, cidr4, cidr6 } = this.#source.network;
    const { servers, splits } = this.#source.dns;
    return {
      server,
      domain,
      zones: [
        ...[cidr4, cidr6].flatMap((range) => reverseZones(parseCidr(range))),
        ...splits.map(({ suffix }) => suffix),
      ],
      takesAll: servers.length > 0 || this.#deps.exit() !== undefined,
    };
  }

  /** Answers follow the map at once. */
  setNetwork(map: ZoneSource): void {
    this.#source = map;
    this.#zone = undefined;
    this.#peers.clear();
    for (const { ip4, ip6 } of map.peers) for (const address of [ip4, ip6]) this.#peers.add(canonicalAddress(address));
    this.#plan();
  }

  /** Looks anew whom this host asks. */
  async refresh(): Promise<void> {
    if (!this.#isAnswering) return;
    try {
      this.#system = await (this.#deps.systemServers ?? readSystemServers)();
    } catch (failure) {
      this.#deps.logger.warn({ err: failure }, "whom this host asks for names cannot be read");
    }
    this.#plan();
  }

  status(): Omit<DnsStatus, "host"> {
    const { peers, dns } = this.#source;
    return {
      enabled: this.#isEnabled,
      domain: this.#source.network.domain,
      listeners: [...(this.#listeners?.states ?? [])],
      peers: peers.length + 1,
      records: dns.records.length,
      routes: this.#routes.map((route) => ({ ...route, unanswered: this.#forwarder.unanswered(route.servers) })),
      servesPeers: this.#deps.servesPeers(),
      cached: this.#forwarder.cached,
    };
  }

  /** Asks as a program of this host would. @throws MeshError `bad-usage` for a type that there is not */
  async query({ name, type }: DnsQueryRequest): Promise<DnsQueryReply> {
    const asked = isIP(name) === 0 ? this.#withDomain(name) : reverseName(name);
    const types = type === null ? (isIP(name) === 0 ? ["A", "AAAA"] : ["PTR"]) : [type.toUpperCase()];
    return { replies: await Promise.all(types.map((one) => this.#ask(queryFor(asked, one)))) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#turn;
    await this.#listeners?.[Symbol.asyncDispose]();
    this.#forwarder[Symbol.dispose]();
  }

  async #ask(query: Query): Promise<DnsAnswer> {
    const startedAtMs = this.#deps.clock.monotonicMs();
    const { message, by } = await this.#responder.resolve(query, "host");
    const elapsedMs = Math.round((this.#deps.clock.monotonicMs() - startedAtMs) * 1000) / 1000;
    const { answers = [], rcode } = dnsPacket.decode(message) as dnsPacket.DecodedPacket & { rcode: string };
    return {
      name: query.name,
      type: query.type,
      rcode,
      answers: answers.flatMap((record) =>
        record.type === "OPT"
          ? []
          : [{ name: record.name, type: record.type, ttlSeconds: record.ttl ?? 0, data: recordText(record) }],
      ),
      by: by.source === "server" && by.isCached ? "cache" : by.source,
      server: by.source === "server" ? by.server : null,
      reason: by.source === "none" ? by.reason : null,
      elapsedMs,
    };
  }

  /** A peer's name alone is enough. */
  #withDomain(name: string): string {
    const isPeer = [this.#source.self, ...this.#source.peers].some((peer) => peer.name === name.toLowerCase());
    return isPeer ? `${name}.${this.#source.network.domain}` : name.replace(/\.$/, "");
  }

  #zoneInForce(): Zone {
    this.#zone ??= new Zone(this.#source);
    return this.#zone;
  }

  get #isAnswering(): boolean {
    return this.#isEnabled || this.#deps.servesPeers();
  }

  /** Listens where somebody is to be answered, and nowhere else. Never rejects. */
  async #settle(): Promise<void> {
    const isWanted = this.#isAnswering && !this.#isClosed;
    if (isWanted === (this.#listeners !== undefined)) return;
    const { interfaceName, self } = this.#options;
    if (isWanted) {
      this.#listeners = await Listeners.open({
        addresses: [self.ip4, self.ip6],
        loopback: this.#isEnabled ? loopbackCandidates(interfaceName) : [],
        responder: this.#responder,
        askerAt: (address) => this.#askerAt(address),
        onChange: () => this.#listenersChanged(),
      });
      await this.refresh();
    } else {
      await this.#silence();
    }
    this.#listenersChanged();
  }

  async #silence(): Promise<void> {
    await this.#listeners?.[Symbol.asyncDispose]();
    this.#listeners = undefined;
  }

  #listenersChanged(): void {
    const lines = new Map<string, string>();
    for (const { address, problem } of this.#listeners?.states ?? []) {
      if (problem === null || (address.includes(":") && problem.includes("does not have"))) continue;
      lines.set(address, `names of the mesh are not answered at ${address}: ${problem}; it is tried again by itself`);
    }
    this.#deps.warnings.replaceGroup(LISTENER, lines);
    this.#plan();
  }

  #plan(): void {
    const own = [...this.#own, ...(this.#listeners?.states ?? []).map(({ address }) => address)];
    const { exit, neighbours } = this.#deps;
    const { dns, network } = this.#source;
    const sources = { dns, system: this.#system, exit: exit(), own, domain: network.domain, neighbours: neighbours() };
    const routes = this.#isAnswering ? planUpstreams(sources) : [];
    if (JSON.stringify(routes) === JSON.stringify(this.#routes)) return;
    this.#routes = routes;
    this.#forwarder.use(
      routes.map(({ suffix, servers }) => ({
        suffix: suffix ?? "",
        servers: servers.map(parseServer),
        sockets: this.#sockets,
      })),
    );
  }

  /** Strangers hear nothing: a packet that an address of ours reached from outside the mesh is no query to us. */
  #askerAt(address: string): Asker | undefined {
    if (address.startsWith("127.") || this.#own.has(address)) return this.#isEnabled ? "host" : undefined;
    return this.#peers.has(address) ? "peer" : undefined;
  }
}

function queryFor(name: string, type: string): Query {
  const word = type.replace(/^TYPE(?=\d+$)/, "UNKNOWN_");
  const questions = [{ name, type: word as Answer["type"] }];
  const query = readQuery(dnsPacket.encode({ type: "query", flags: RECURSION_DESIRED, questions })) as Query;
  if (query.type !== "UNKNOWN_0") return query;
  throw new MeshError("bad-usage", `there is no type of record ${type}`, {
    hint: "Give one such as A, TXT or TYPE65.",
  });
}
