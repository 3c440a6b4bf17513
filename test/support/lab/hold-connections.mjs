// hold-connections.mjs SOCKET COUNT: keeps COUNT connections open or tried again, each with half a request that never goes on.
// Says `refused` once half of them have been closed on it, and ends with its input.
import { connect } from "node:net";

const [, , path = "", count = "0"] = process.argv;
let closed = 0;

function hold() {
  const socket = connect(path);
  socket.on("error", () => undefined);
  socket.on("connect", () => socket.write("GET /v1/status HTTP/1.1\r\nHost:"));
  socket.on("close", () => {
    closed += 1;
    if (closed === Number(count) / 2) console.log("refused");
    setTimeout(hold, 500);
  });
  socket.resume();
}

for (let index = 0; index < Number(count); index++) hold();
process.stdin.on("end", () => process.exit(0)).resume();
