import {
  createHash,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from "node:crypto";
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
import { WebSocket } from "ws";
import type { AdminPeer, Token, TokenCreate, TokenCreated } from "../../src/api/admin.ts";
import type { CoordinatorMessage } from "../../src/api/control-channel.ts";
import { applyDelta, type NetworkMap } from "../../src/api/network-map.ts";
import { PROTOCOL_VERSIONS } from "../../src/api/protocol-version.ts";
import {
  type ChallengeResponse,
  controlTranscript,
  type InfoResponse,
  leaveTranscript,
  type RegisterRequest,
  type RegisterResponse,
  registrationTranscript,
} from "../../src/api/registration.ts";

/**
 * A coordinator's client made of nothing but Node and `ws`: a second reading of the protocol, which shares no code with
 * the peer daemon, and which can misbehave where a test wants it to.
 */
export interface Answer<T = unknown> {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: T;
}

interface ErrorJson {
  readonly error: { readonly code: string; readonly message: string; readonly hint: string };
}

export interface TestKeys {
  readonly machine: KeyObject;
  readonly wireguard: KeyObject;
  readonly machineKey: string;
  readonly wireguardKey: string;
}

export function makeKeys(): TestKeys {
  const machine = generateKeyPairSync("ed25519");
  const wireguard = generateKeyPairSync("x25519");
  return {
    machine: machine.privateKey,
    wireguard: wireguard.privateKey,
    machineKey: rawKey(machine.publicKey),
    wireguardKey: rawKey(wireguard.publicKey),
  };
}

function rawKey(key: KeyObject): string {
  return Buffer.from(key.export({ format: "jwk" }).x!, "base64url").toString("base64");
}

function importX25519(key: string): KeyObject {
  const x = Buffer.from(key, "base64").toString("base64url");
  return createPublicKey({ key: { kty: "OKP", crv: "X25519", x }, format: "jwk" });
}

export class CoordinatorClient {
  readonly url: string;
  readonly #ca: string | undefined;
  readonly #localAddress: string | undefined;

  /**
   * @param ca the pinned CA's certificate, PEM; undefined for plain HTTP
   * @param localAddress what the coordinator sees it at
   */
  constructor(url: string, ca: string | undefined, localAddress?: string) {
    this.url = url;
    this.#ca = ca;
    this.#localAddress = localAddress;
  }

  /** Fetches the CA as a joining peer does, over a connection that nothing vouches for yet. */
  static async pinned(url: string): Promise<CoordinatorClient> {
    const { text } = await call({ url: `${url}/v1/ca`, tls: { rejectUnauthorized: false } });
    return new CoordinatorClient(url, text);
  }

  /** The same from another address. */
  from(localAddress: string): CoordinatorClient {
    return new CoordinatorClient(this.url, this.#ca, localAddress);
  }

  get tls(): object {
    return this.#ca === undefined ? {} : { ca: this.#ca, servername: "mesh-coordinator" };
  }

  call<T = unknown>(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer<T>> {
    const { url, tls } = this;
    return call<T>({ method, url: url + path, tls, localAddress: this.#localAddress, body, headers });
  }

  async info(): Promise<InfoResponse> {
    return (await this.call<InfoResponse>("GET", "/v1/info")).json;
  }

  async challenge(): Promise<ChallengeResponse> {
    return expectOk(await this.call<ChallengeResponse>("POST", "/v1/challenge", {}));
  }

  /** A right request, to be sent as it is or spoiled first. */
  async registerRequest(keys: TestKeys, name: string, token?: string, networkId?: string): Promise<RegisterRequest> {
    const challenge = await this.challenge();
    const transcript = registrationTranscript({
      networkId: networkId ?? (await this.info()).network.id,
      challengeId: challenge.challengeId,
      nonce: challenge.nonce,
      ephemeralKey: challenge.ephemeralKey,
      name,
      machineKey: keys.machineKey,
      wireguardKey: keys.wireguardKey,
      token,
    });
    const shared = diffieHellman({ privateKey: keys.wireguard, publicKey: importX25519(challenge.ephemeralKey) });
    return {
      protocol: { ...PROTOCOL_VERSIONS },
      challengeId: challenge.challengeId,
      ...(token === undefined ? {} : { token }),
      name,
      machineKey: keys.machineKey,
      wireguardKey: keys.wireguardKey,
      machineProof: sign(null, transcript, keys.machine).toString("base64"),
      wireguardProof: createHmac("sha256", shared).update(transcript).digest("base64"),
    };
  }

  send(request: object): Promise<Answer<RegisterResponse & ErrorJson>> {
    return this.call("POST", "/v1/register", request);
  }

  async tryRegister(keys: TestKeys, name: string, token?: string): Promise<Answer<RegisterResponse & ErrorJson>> {
    return this.send(await this.registerRequest(keys, name, token));
  }

  async register(keys: TestKeys, name: string, token?: string): Promise<RegisterResponse> {
    return expectOk(await this.tryRegister(keys, name, token));
  }

  async leave(keys: TestKeys): Promise<Answer<ErrorJson>> {
    const { challengeId, nonce } = await this.challenge();
    const { network } = await this.info();
    const { machineKey } = keys;
    const transcript = leaveTranscript({ networkId: network.id, challengeId, nonce, machineKey });
    const machineProof = sign(null, transcript, keys.machine).toString("base64");
    return this.call("DELETE", "/v1/peer", { challengeId, machineKey, machineProof });
  }

  /** A right signature for this request, as it stands in its header, to be sent with it or with another. */
  async signature(keys: TestKeys, method: string, target: string, body = ""): Promise<{ authorization: string }> {
    const { challengeId, nonce } = await this.challenge();
    const { network } = await this.info();
    const digest = createHash("sha256").update(body).digest("base64");
    const fields = ["mesh request v1", network.id, challengeId, nonce, keys.machineKey, method, target, digest];
    const text = fields.map((field) => `${Buffer.byteLength(field)}:${field}`).join(",");
    const proof = sign(null, Buffer.from(text), keys.machine).toString("base64");
    const authorization = `Mesh-Machine key="${keys.machineKey}", challenge="${challengeId}", proof="${proof}"`;
    return { authorization };
  }

  /** A call that the machine signs. */
  async signed<T = unknown>(keys: TestKeys, method: string, target: string, body?: object): Promise<Answer<T>> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    return this.call<T>(method, target, text, await this.signature(keys, method, target, text));
  }

  openControl(options: { readonly headers?: Record<string, string> } = {}): TestControl {
    return new TestControl(`${this.url.replace(/^http/, "ws")}/v1/control`, { ...this.tls, ...options });
  }

  /** Opens and authenticates a control channel, and waits for its first map or delta. */
  async connect(keys: TestKeys, held?: NetworkMap): Promise<TestControl> {
    const control = this.openControl();
    control.map = held;
    await control.authenticate(keys, held?.version ?? null);
    await control.until("the first map", () => control.mapMessages > 0);
    return control;
  }
}

/** The peer's end of a control channel; keeps every message and the map that they amount to. */
export class TestControl {
  readonly socket: WebSocket;
  readonly messages: CoordinatorMessage[] = [];
  map: NetworkMap | undefined;
  /** Maps and deltas received. */
  mapMessages = 0;
  closeCode: number | undefined;
  /** A delta that did not follow on the map at hand. */
  brokenDelta = false;
  #waiters = new Set<() => void>();

  constructor(url: string, options: object) {
    this.socket = new WebSocket(url, { perMessageDeflate: false, ...options });
    this.socket.on("message", (data) => this.#receive(JSON.parse(data.toString())));
    this.socket.on("error", () => {});
    this.socket.on("close", (code) => {
      this.closeCode = code;
      this.#wake();
    });
  }

  get rejection(): string | undefined {
    const rejected = this.messages.find((message) => message.type === "rejected");
    return rejected?.type === "rejected" ? rejected.error.code : undefined;
  }

  async hello(): Promise<Extract<CoordinatorMessage, { type: "hello" }>> {
    await this.until("hello", () => this.messages.length > 0);
    const first = this.messages[0]!;
    if (first.type !== "hello") throw new Error(`the first message is ${first.type}`);
    return first;
  }

  async authenticate(keys: TestKeys, mapVersion: number | null = null, spoil: object = {}): Promise<void> {
    const { nonce, networkId } = await this.hello();
    const { machineKey } = keys;
    const proof = sign(null, controlTranscript(networkId, nonce, machineKey), keys.machine).toString("base64");
    this.send({
      type: "authenticate",
      protocol: { ...PROTOCOL_VERSIONS },
      machineKey,
      proof,
      mapVersion,
      softwareVersion: "test",
      ...spoil,
    });
  }

  send(message: unknown): void {
    this.socket.send(JSON.stringify(message));
  }

  peer(name: string): NetworkMap["peers"][number] | undefined {
    return this.map?.peers.find((peer) => peer.name === name);
  }

  /** Waits until `condition` holds, looking again after each message and at the close. */
  async until(what: string, condition: () => boolean, timeoutMs = 5_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!condition()) {
      const leftMs = deadline - Date.now();
      if (leftMs <= 0)
        throw new Error(`waited ${timeoutMs} ms in vain for ${what}; got ${JSON.stringify(this.messages.at(-1))}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#waiters.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  untilClosed(): Promise<void> {
    return this.until("the channel's end", () => this.closeCode !== undefined);
  }

  async close(): Promise<void> {
    this.socket.close();
    await this.untilClosed();
  }

  #receive(message: CoordinatorMessage): void {
    this.messages.push(message);
    if (message.type === "map") {
      this.map = message.map;
      this.mapMessages++;
    } else if (message.type === "delta") {
      const next = this.map === undefined ? undefined : applyDelta(this.map, message.delta);
      if (next === undefined) this.brokenDelta = true;
      else this.map = next;
      this.mapMessages++;
    }
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
  }
}

/** The coordinator's admin socket. */
export class AdminSocketClient {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  call<T = unknown>(method: string, path: string, body?: unknown): Promise<Answer<T>> {
    return call<T>({ method, url: `http://localhost${path}`, socketPath: this.#socketPath, body });
  }

  async createToken(request: Partial<TokenCreate> = {}): Promise<TokenCreated> {
    return expectOk(await this.call<TokenCreated>("POST", "/v1/admin/tokens", request));
  }

  async listTokens(): Promise<Token[]> {
    return expectOk(await this.call<Token[]>("GET", "/v1/admin/tokens"));
  }

  async revokeToken(id: string): Promise<Token> {
    return expectOk(await this.call<Token>("DELETE", `/v1/admin/tokens/${id}`));
  }

  async listPeers(): Promise<AdminPeer[]> {
    return expectOk(await this.call<AdminPeer[]>("GET", "/v1/admin/peers"));
  }
}

function expectOk<T>(answer: Answer<T>): T {
  if (answer.status !== 200) throw new Error(`status ${answer.status}: ${answer.text}`);
  return answer.json;
}

interface CallOptions {
  readonly method?: string;
  readonly url: string;
  readonly tls?: object;
  readonly socketPath?: string;
  readonly localAddress?: string | undefined;
  /** A string is sent as it is. */
  readonly body?: unknown;
  readonly headers?: Record<string, string> | undefined;
}

export function call<T = unknown>(options: CallOptions): Promise<Answer<T>> {
  const { method = "GET", url, tls = {}, socketPath, localAddress, body, headers } = options;
  const payload = body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body);
  const contentHeaders =
    payload === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(payload) };
  return new Promise((resolve, reject) => {
    const start = url.startsWith("https:") ? httpsRequest : httpRequest;
    const request = start(url, {
      method,
      ...tls,
      ...(socketPath === undefined ? {} : { socketPath }),
      ...(localAddress === undefined ? {} : { localAddress }),
      agent: false,
      headers: { ...contentHeaders, ...headers },
    });
    request.on("error", reject);
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode!, headers: response.headers, text, json: parseOrUndefined(text) as T });
      });
    });
    request.end(payload);
  });
}

function parseOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
