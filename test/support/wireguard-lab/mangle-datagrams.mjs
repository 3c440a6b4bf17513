/**
 * A bad network: passes UDP datagrams between two hosts, and on the way reorders and doubles some, and adds copies that
 * are corrupt, cut short, or sent again much later. Nothing gets lost.
 *
 *     node mangle-datagrams.mjs PORT LEFT_ADDRESS RIGHT_ADDRESS
 *
 * Both hosts know this one as the other, and have the same port. Says `listening`.
 */
import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";

const [port, left, right] = [Number(process.argv[2]), process.argv[3], process.argv[4]];

const HELD_DATAGRAMS = 6;
const HELD_MS = 3;
const LATE_DATAGRAMS = 3000;

/** One direction. */
class Lane {
  #destination;
  #held = [];
  #late = [];
  #timer;

  constructor(destination) {
    this.#destination = destination;
  }

  take(datagram) {
    this.#held.push(datagram);
    if (randomInt(10) === 0) this.#held.push(datagram);
    if (randomInt(10) === 0) this.#held.push(corrupt(datagram));
    if (randomInt(10) === 0) this.#held.push(datagram.subarray(0, randomInt(datagram.length)));
    if (this.#late.push(datagram) > LATE_DATAGRAMS) this.#held.push(this.#late.shift());
    while (this.#held.length > HELD_DATAGRAMS) this.#release();
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      while (this.#held.length > 0) this.#release();
    }, HELD_MS);
  }

  #release() {
    const [datagram] = this.#held.splice(randomInt(this.#held.length), 1);
    socket.send(datagram, port, this.#destination, () => undefined);
  }
}

function corrupt(datagram) {
  const copy = Buffer.from(datagram);
  copy[randomInt(copy.length)] ^= 1 << randomInt(8);
  return copy;
}

const socket = createSocket({ type: "udp4", recvBufferSize: 1 << 22, sendBufferSize: 1 << 22 });
const lanes = new Map([
  [left, new Lane(right)],
  [right, new Lane(left)],
]);
socket.on("message", (datagram, { address }) => lanes.get(address)?.take(datagram));
socket.bind(port, () => process.stdout.write("listening\n"));
