const TRANSFER_SECONDS = 3;
const GREETING = "Hello from bob, through the mesh";

/** Everything that the demo shows about alice, bob and what passes between them; times in ms, rates in Gbit/s. */
export async function measureDemo(network) {
  const [alice, bob] = [await network.status("alice"), await network.status("bob")];
  const report = { peers: [peerRow(alice, "bob"), peerRow(bob, "alice")] };
  const { ip4, ip6 } = bob.self;

  const replies = [await network.mesh("alice", "ping", "bob", "-c", "5", "--json")].flat();
  const times = replies.map((reply) => reply.rttMs).filter((rtt) => typeof rtt === "number");
  report.meshPingMs = times.sort((a, b) => a - b)[Math.floor(times.length / 2)];
  report.pingIp4Ms = await ping(network, ip4);
  report.pingIp6Ms = await ping(network, ip6);

  const server = network.background("bob", "iperf3", "--server", "--forceflush");
  await server.waitFor(/listening/);
  report.tcpIp4Gbps = await transfer(network, ip4);
  await server.waitFor(/listening[\s\S]*listening/);
  report.tcpIp6Gbps = await transfer(network, ip6);

  const web = network.background("bob", process.execPath, "-e", webServer(ip4));
  await web.waitFor(/serving/);
  const url = `http://${ip4}:8080/`;
  const body = await network.run("alice", "curl", "-sS", "--max-time", "10", "-w", "\n%{http_code}", url);
  const [text, status] = [body.slice(0, body.lastIndexOf("\n")), body.slice(body.lastIndexOf("\n") + 1)];
  report.http = { url, status: Number(status), bytes: Buffer.byteLength(text), body: text };
  return report;
}

function peerRow(status, other) {
  const { name, ip4, ip6 } = status.self;
  const path = status.peers.find((peer) => peer.name === other).path;
  return { name, state: status.state, ip4, ip6, path, aeadProvider: status.dataPlane?.aeadProvider ?? "-" };
}

async function ping(network, address) {
  const output = await network.run("alice", "ping", "-n", "-q", "-c", "5", "-i", "0.2", "-W", "2", address);
  return Number(/= [\d.]+\/([\d.]+)\//.exec(output)[1]);
}

async function transfer(network, address) {
  const output = await network.run(
    "alice",
    "iperf3",
    "--json",
    "--client",
    address,
    "--time",
    String(TRANSFER_SECONDS),
  );
  return JSON.parse(output).end.sum_received.bits_per_second / 1e9;
}

function webServer(address) {
  const greeting = JSON.stringify(GREETING);
  return `require("node:http").createServer((_, answer) => answer.end(${greeting})).listen(8080, "${address}", () => console.log("serving"))`;
}
