/**
 * Begins a connection for each argument, `PROTOCOL ADDRESS PORT SECONDS`, all at once, and prints a JSON array of how they end
 * for who begins them, in this order:
 * - `answered`, from the port or, for icmp (whose port is no matter), by an echo reply;
 * - `rejected`: TCP by a reset, others by the ICMP error that says it is prohibited;
 * - `closed`: UDP by the ICMP error that says nobody listens on the port;
 * - `silence`, for as many seconds;
 * - the code of another error.
 *
 * What gets lost is sent again: a second packet of the same connection is judged as the first one was.
 */
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";

const RESEND_MS = 500;
const TCP_ENDINGS = { ECONNREFUSED: "rejected" };
// Linux has one code for each family of "administratively prohibited".
const UDP_ENDINGS = { ECONNREFUSED: "closed", EHOSTUNREACH: "rejected", EACCES: "rejected" };

/** Each begins a connection and calls `end` with how it ends; returns what gives it up. */
const OVER = {
  tcp(end, address, port) {
    const socket = connect(port, address, () => socket.write("GET / HTTP/1.0\r\n\r\n"));
    socket.on("data", () => end("answered"));
    socket.on("error", ({ code }) => end(TCP_ENDINGS[code] ?? code));
    return () => socket.destroy();
  },
  udp(end, address, port) {
    const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
    const fail = ({ code }) => end(UDP_ENDINGS[code] ?? code);
    const send = () => socket.send("hello", (error) => error && fail(error));
    let resending;
    socket.on("error", fail);
    socket.on("message", () => end("answered"));
    socket.connect(port, address, () => {
      send();
      resending = setInterval(send, RESEND_MS);
    });
    return () => {
      clearInterval(resending);
      socket.close();
    };
  },
  icmp(end, address) {
    const ping = spawn("ping", ["-n", "-i", String(RESEND_MS / 1000), address]);
    let said = "";
    ping.stdout.on("data", (bytes) => {
      said += bytes;
      if (said.includes(" bytes from ")) end("answered");
      else if (/Packet filtered|Administratively prohibited/.test(said)) end("rejected");
      else if (said.includes("nreachable")) end("unreachable");
    });
    ping.on("close", () => end("ping has ended"));
    return () => ping.kill();
  },
};

function endOf([protocol, address, port, seconds]) {
  return new Promise((resolve) => {
    let stop;
    const end = (how) => {
      clearTimeout(timer);
      stop?.();
      stop = undefined;
      resolve(how);
    };
    const timer = setTimeout(end, Number(seconds) * 1000, "silence");
    stop = OVER[protocol](end, address, Number(port));
  });
}

const ends = await Promise.all(process.argv.slice(2).map((argument) => endOf(argument.split(" "))));
process.stdout.write(`${JSON.stringify(ends)}\n`);
