// A hostile relay client, in a thread of its own so that it does not slow down whoever measures: proves its machine key,
// then sends frames as fast as the socket takes them, until it is terminated. Tells its parent how many.
//
//   new Worker(flooder, { workerData: { url, networkId, relayId, machineKey, machineSeed, to, datagramBytes } })
import { createPrivateKey, sign } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { WebSocket } from "ws";

const { url, machineKey, machineSeed, to, datagramBytes } = workerData;
const ED25519_PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
const privateKey = createPrivateKey({
  key: Buffer.concat([ED25519_PKCS8, machineSeed]),
  format: "der",
  type: "pkcs8",
});
const frame = Buffer.concat([Buffer.from([1]), Buffer.from(to, "base64"), Buffer.alloc(datagramBytes, 1)]);
const MAX_BUFFERED_BYTES = 1_000_000;
const FRAMES_PER_TURN = 1000;

const webSocket = new WebSocket(`${url.replace(/^http/, "ws")}/v1/relay`, { perMessageDeflate: false });
let sent = 0;

webSocket.on("message", (data, isBinary) => {
  if (isBinary) return;
  const message = JSON.parse(data.toString());
  if (message.type === "hello") authenticate(message);
  if (message.type === "welcome") flood();
});
webSocket.on("error", () => {});

function authenticate({ networkId, relayId, nonce }) {
  const fields = ["mesh relay v1", networkId, relayId, nonce, machineKey];
  const transcript = Buffer.from(fields.map((field) => `${Buffer.byteLength(field)}:${field}`).join(","));
  const proof = sign(null, transcript, privateKey).toString("base64");
  const protocol = { min: 1, max: 1 };
  webSocket.send(JSON.stringify({ type: "authenticate", protocol, machineKey, proof, softwareVersion: "flood" }));
}

function flood() {
  for (let i = 0; i < FRAMES_PER_TURN && webSocket.bufferedAmount < MAX_BUFFERED_BYTES; i++) {
    webSocket.send(frame);
    sent++;
  }
  parentPort.postMessage(sent);
  if (webSocket.readyState === WebSocket.OPEN) setImmediate(flood);
}
