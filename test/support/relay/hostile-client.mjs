// A relay client that means no good, or is at least unfriendly: made of nothing but Node and `ws`, a process of its own.
//
//   node hostile-client.mjs BEHAVIOUR '{"url": "wss://…", "keys": ["keys.json", "another.json"], "to": "base64",
//                                       "headers": {}}'
//
// Says `{"count": N}` ten times a second (how often it did what it does), and `{"frame": "…", "from": "base64"}` for each
// frame that comes in, as text, and `{"gone": "base64"}` where the relay says that a peer is not there. `talk` sends each line of standard input, `KEY TEXT`, to that peer.
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect as tcpConnect } from "node:net";
import { createInterface } from "node:readline";
import { connect as tlsConnect } from "node:tls";
import { WebSocket } from "ws";

const [behaviour, settings] = process.argv.slice(2);
const { url, keys = [], to, headers } = JSON.parse(settings);
const { hostname, port } = new URL(url);
const HERE = { host: hostname, port: Number(port), rejectUnauthorized: false };
const ED25519_PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
const MAX_DATAGRAM_BYTES = 9216;
const MAX_BUFFERED_BYTES = 1_000_000;
const PARALLEL = 8;
/** Frame types: a datagram is 1. */
const GONE = 2;

let count = 0;
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
setInterval(() => say({ count }), 100);

function identityOf(file) {
  const seed = Buffer.from(JSON.parse(readFileSync(file, "utf8")).machinePrivateKey, "base64");
  return createPrivateKey({ key: Buffer.concat([ED25519_PKCS8, seed]), format: "der", type: "pkcs8" });
}

function answerTo({ networkId, relayId, nonce }, machine) {
  const machineKey = createPublicKey(machine).export({ format: "der", type: "spki" }).subarray(-32).toString("base64");
  const fields = ["mesh relay v1", networkId, relayId, nonce, machineKey];
  const transcript = fields.map((field) => `${Buffer.byteLength(field)}:${field}`).join(",");
  const proof = sign(null, Buffer.from(transcript), machine).toString("base64");
  return { type: "authenticate", protocol: { min: 1, max: 1 }, machineKey, proof, softwareVersion: "hostile" };
}

/** `onText` hears what the relay says; resolves at the end of the connection. */
function converse(onText, onFrame = () => {}) {
  return new Promise((resolve) => {
    const options = { perMessageDeflate: false, rejectUnauthorized: false, headers };
    const webSocket = new WebSocket(`${url}/v1/relay`, options);
    webSocket.on("error", () => {});
    webSocket.on("close", () => resolve());
    webSocket.on("message", (data, isBinary) =>
      isBinary ? onFrame(data, webSocket) : onText(JSON.parse(data.toString()), webSocket),
    );
  });
}

/** As the peer with these keys, which then does `act`. */
function asPeer(file, act) {
  const machine = identityOf(file);
  const tell = (frame) => {
    const peer = frame.toString("base64", 1, 33);
    if (frame[0] === 1) say({ frame: frame.subarray(33).toString("latin1"), from: peer });
    if (frame[0] === GONE) say({ gone: peer });
  };
  return converse((message, webSocket) => {
    if (message.type === "hello") webSocket.send(JSON.stringify(answerTo(message, machine)));
    if (message.type === "welcome") act(webSocket, message);
  }, tell);
}

const frameTo = (key, datagram, type = 1) =>
  Buffer.concat([Buffer.from([type]), Buffer.from(key, "base64"), Buffer.from(datagram)]);

function sendWithoutEnd(webSocket, frame) {
  for (let i = 0; i < 1000 && webSocket.bufferedAmount < MAX_BUFFERED_BYTES; i++, count++) webSocket.send(frame);
  if (webSocket.readyState === WebSocket.OPEN) setImmediate(() => sendWithoutEnd(webSocket, frame));
}

/** Does `act` again and again, `PARALLEL` at a time. */
function again(act) {
  for (let i = 0; i < PARALLEL; i++) {
    void (async () => {
      for (;;) {
        await act();
        count++;
      }
    })();
  }
}

const ended = (socket) =>
  new Promise((resolve) => {
    socket.on("error", () => {});
    socket.on("close", resolve);
  });

const BEHAVIOURS = {
  talk: () =>
    asPeer(keys[0], (webSocket, { observedAddress }) => {
      say({ connected: true, observedAddress });
      createInterface({ input: process.stdin }).on("line", (line) => {
        const [key, text] = line.split(" ");
        webSocket.send(frameTo(key, text));
      });
    }),
  "wrong-key": () =>
    again(() =>
      converse((message, webSocket) => {
        const { privateKey } = generateKeyPairSync("ed25519");
        if (message.type === "hello") webSocket.send(JSON.stringify(answerTo(message, privateKey)));
      }),
    ),
  replay: () => {
    const machine = identityOf(keys[0]);
    let overheard;
    again(() =>
      converse((message, webSocket) => {
        if (message.type !== "hello") return;
        overheard ??= JSON.stringify(answerTo(message, machine));
        webSocket.send(overheard);
      }),
    );
  },
  oversize: () =>
    again(() => asPeer(keys[0], (webSocket) => webSocket.send(frameTo(to, Buffer.alloc(MAX_DATAGRAM_BYTES + 1))))),
  flood: () => asPeer(keys[0], (webSocket) => sendWithoutEnd(webSocket, frameTo(to, Buffer.alloc(1400, 4)))),
  "slow-reader": () => {
    const reader = JSON.parse(readFileSync(keys[1], "utf8")).wireguardPublicKey;
    void asPeer(keys[1], (webSocket) => {
      webSocket.pause();
      void asPeer(keys[0], (writer) => sendWithoutEnd(writer, frameTo(reader, Buffer.alloc(1400, 4))));
    });
  },
  /** Frames as the relay itself sends them, inside and in the place of ours, and what looks like WireGuard. */
  spoof: () =>
    asPeer(keys[0], (webSocket) => {
      setInterval(() => {
        if (webSocket.bufferedAmount > MAX_BUFFERED_BYTES) return;
        for (const type of [0, 2, 3, 255]) webSocket.send(frameTo(to, randomBytes(32), type));
        for (const type of [1, 2, 3, 4]) {
          const message = Buffer.concat([Buffer.from([type, 0, 0, 0]), randomBytes(144)]);
          webSocket.send(frameTo(to, message));
          webSocket.send(frameTo(to, frameTo(to, message)));
        }
        count++;
      }, 2);
    }),
  garbage: () =>
    again(async () => {
      const raw = tcpConnect(HERE, () => raw.end(randomBytes(4096)));
      const inTls = tlsConnect(HERE, () => inTls.end(randomBytes(4096)));
      const upgrade = `GET /v1/relay HTTP/1.1\r\nHost: ${hostname}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`;
      const inWebSocket = tlsConnect(HERE, () => {
        inWebSocket.write(upgrade);
        inWebSocket.end(randomBytes(4096));
      });
      for (const socket of [raw, inTls, inWebSocket]) socket.resume();
      await Promise.all([raw, inTls, inWebSocket].map(ended));
    }),
  /** Begins, and never goes on: before TLS, before the request, before the log-in. What is cut is begun anew. */
  "half-open": () => {
    const begin = {
      tcp: () => tcpConnect(HERE, () => count++),
      request: () => {
        const socket = tlsConnect(HERE, () => {
          count++;
          socket.write("GET /v1/relay HTTP/1.1\r\n");
        });
        return socket;
      },
    };
    const hold = async (make) => {
      for (;;) await ended(make().resume());
    };
    for (let i = 0; i < 200; i++) {
      for (const make of Object.values(begin)) void hold(make);
      void (async () => {
        for (;;) await converse(() => count++);
      })();
    }
  },
};

BEHAVIOURS[behaviour]();
