import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { errorBodySchema } from "../../../src/api/error-body.ts";
import { ERROR_CODES } from "../../../src/base/error-codes.ts";
import { seededRandom } from "../../sim/virtual-time.ts";

/** What ends the daemon or its session, or goes on for long: these do what they are asked for. */
const SPARED = new Set([
  "POST /v1/down",
  "POST /v1/leave",
  "POST /v1/exit/check",
  "POST /v1/netcheck",
  "POST /v1/keys/rotate",
]);
/** What a stream may take of the test's time. */
const PATIENCE_MS = 500;

export interface FuzzOptions {
  readonly socketPath: string;
  readonly routes: readonly string[];
  readonly requests: number;
  /** How many at a time. */
  readonly parallel: number;
  readonly seed: number;
}

/** How often which answer came: an error's code, `ok`, or `closed` for a connection that ended without a word. */
export type FuzzTally = Record<string, number>;

/**
 * Random methods, paths, heads and bodies, whole and broken off.
 *
 * @throws Error for an answer that is neither a success nor an error with a code that there is, and for `internal`
 */
export async function fuzzLocalApi({ socketPath, routes, requests, parallel, seed }: FuzzOptions): Promise<FuzzTally> {
  const random = seededRandom(seed);
  const tally: FuzzTally = {};
  let left = requests;
  const worker = async () => {
    while (left-- > 0) {
      const bytes = randomRequest(random, routes);
      const outcome = await outcomeOf(socketPath, bytes, random() < 0.1);
      if (
        outcome === "internal" ||
        (outcome !== "ok" && outcome !== "closed" && !Object.hasOwn(ERROR_CODES, outcome))
      ) {
        throw new Error(`${outcome} for ${JSON.stringify(bytes.toString("latin1").slice(0, 2000))}`);
      }
      tally[outcome] = (tally[outcome] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return tally;
}

async function outcomeOf(socketPath: string, bytes: Buffer, hangsUp: boolean): Promise<string> {
  const socket = connect(socketPath);
  // Where the daemon has said all that it will before it has read all of ours.
  socket.on("error", () => undefined);
  await once(socket, "connect");
  if (hangsUp) {
    socket.write(bytes, () => socket.destroy());
    await once(socket, "close");
    return "closed";
  }
  // Half a request is one that never gets its other half.
  socket.end(bytes);
  const patience = setTimeout(() => socket.end().destroy(), PATIENCE_MS);
  const answer = (await text(socket).catch(() => "")).replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, "");
  clearTimeout(patience);
  if (answer === "") return "closed";
  const [head = "", ...rest] = answer.split("\r\n\r\n");
  // What follows an answer with `Connection: close` nobody reads.
  const body = rest.join("\r\n\r\n").slice(0, Number(/content-length: (\d+)/i.exec(head)?.[1]));
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
  if (status === 200) return "ok";
  const error = errorBodySchema.safeParse(parsedOrNull(body));
  return error.success ? error.data.error.code : `status ${status}, ${JSON.stringify(body.slice(0, 200))}`;
}

function parsedOrNull(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

function randomRequest(random: () => number, routes: readonly string[]): Buffer {
  const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)] as T;
  const noise = (length: number) => Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
  const route = pick(routes.filter((each) => !SPARED.has(each)));
  const [routeMethod = "", routePath = ""] = route.split(" ");
  const method = random() < 0.8 ? routeMethod : pick(["GET", "POST", "DELETE", "PUT", "OPTIONS", "BREW", "", "\0"]);
  const path = pick([
    routePath,
    routePath,
    routePath,
    `${routePath}?${"a=%00&".repeat(Math.floor(random() * 50))}`,
    `${routePath}/../${pick(["", "..", "%2e%2e"])}/etc/shadow`,
    "*",
    "//",
    `/v1/${noise(8).toString("hex")}`,
    `/v1/admin/${noise(4).toString("base64url")}`,
    `http://other/${noise(3).toString("hex")}`,
    "__proto__",
    "/v1/constructor",
    noise(20).toString("latin1"),
  ]);
  if (SPARED.has(`${method} ${path.split("?")[0]}`)) return randomRequest(random, routes);
  const body = pick([
    () => Buffer.alloc(0),
    () => noise(Math.floor(random() * 2000)),
    () => Buffer.from(JSON.stringify(randomValue(random, 3))),
    () => Buffer.from(`{"peer":${JSON.stringify(randomValue(random, 1))},"name":"${noise(5).toString("hex")}"}`),
    () => Buffer.from('{"__proto__":{"admin":true},"constructor":1}'),
    () => Buffer.from("[".repeat(20_000)),
    () => Buffer.alloc(70_000, "x"),
  ])();
  const length = pick([body.length, body.length, body.length, body.length + 100, -1, "NaN", 2 ** 53]);
  const head = pick([
    `${method} ${path} HTTP/1.1\r\nHost: mesh\r\nContent-Length: ${length}\r\n\r\n`,
    `${method} ${path} HTTP/1.1\r\nHost: mesh\r\nContent-Length: ${body.length}\r\n\r\n`,
    `${method} ${path} HTTP/1.1\r\nHost: mesh\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n`,
    `${method} ${path} HTTP/1.1\r\nHost: mesh\r\nExpect: 100-continue\r\nContent-Length: ${length}\r\n\r\n`,
    `${method} ${path} HTTP/1.1\r\nHost: mesh\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n`,
    `${method} ${path} HTTP/${pick(["1.0", "2.0", "0.9", "x"])}\r\n${"A: b\r\n".repeat(Math.floor(random() * 300))}\r\n`,
    noise(Math.floor(random() * 300)).toString("latin1"),
  ]);
  const whole = Buffer.concat([Buffer.from(head, "latin1"), body]);
  return random() < 0.2 ? whole.subarray(0, Math.floor(random() * whole.length)) : whole;
}

function randomValue(random: () => number, depth: number): unknown {
  const kind = Math.floor(random() * (depth === 0 ? 5 : 7));
  const few = Math.floor(random() * 4);
  switch (kind) {
    case 0:
      return null;
    case 1:
      return random() < 0.5;
    case 2:
      return (random() - 0.5) * 10 ** Math.floor(random() * 30);
    case 3:
      return String.fromCharCode(...Array.from({ length: few * 20 }, () => Math.floor(random() * 0x1_0000)));
    case 4:
      return ["", "any", "off", "all", "bob", "../../etc", "1".repeat(100)][Math.floor(random() * 7)];
    case 5:
      return Array.from({ length: few }, () => randomValue(random, depth - 1));
    default:
      return Object.fromEntries(
        Array.from({ length: few }, () => [
          ["peer", "name", "rule", "count", "nodes", "to", "match", "preference"][Math.floor(random() * 8)],
          randomValue(random, depth - 1),
        ]),
      );
  }
}
