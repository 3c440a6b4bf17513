import { expect, it } from "vitest";
import { eventually } from "../support/lab/eventually.ts";
import { Lab } from "../support/lab/lab.ts";
import { meshJson } from "../support/lab/mesh-command.ts";
import { MeshPeer } from "../support/lab/mesh-peer.ts";
import { MeshServer } from "../support/lab/mesh-server.ts";
import { startTinyproxy } from "../support/lab/tinyproxy.ts";

// The peer's only way out is an HTTP proxy with a password:
//
//   alice 10.0.0.2 ── proxy 10.0.0.1 | 203.0.113.2 ── coordinator 203.0.113.1, and bob 203.0.113.3

it("a peer whose only way out is an HTTP proxy joins and reaches the others by the relay", async () => {
  await using lab = await Lab.open();
  const [aliceHost, proxyHost, bobHost, serverHost] = [
    await lab.host("alice"),
    await lab.host("proxy"),
    await lab.host("bob"),
    await lab.host("server"),
  ];
  await lab.connect(
    { host: aliceHost, device: "eth0", addresses: ["10.0.0.2/24"] },
    { host: proxyHost, device: "in0", addresses: ["10.0.0.1/24"] },
  );
  const internet = await lab.segment("internet");
  await internet.attach(proxyHost, "out0", ["203.0.113.2/24"]);
  await internet.attach(bobHost, "eth0", ["203.0.113.3/24"]);
  await internet.attach(serverHost, "eth0", ["203.0.113.1/24"]);
  const proxy = await startTinyproxy(proxyHost, "10.0.0.1", { ports: [8443] });

  const server = await MeshServer.start(serverHost, { publicUrl: "https://203.0.113.1:8443" });
  const bob = await MeshPeer.join(bobHost, { server: server.url, ...(await server.createToken()) });
  const alice = await MeshPeer.join(aliceHost, {
    server: server.url,
    ...(await server.createToken()),
    // Namespaces take no proxy over from the outside: `env` sets it inside.
    wrapper: ["env", `HTTPS_PROXY=${proxy.url}`],
  });
  const bobAddress = (await bob.status()).self!.ip4;
  await eventually("alice reaches bob", async () => ((await aliceHost.pings(bobAddress)) ? true : undefined));
  expect((await alice.peer("bob"))?.path?.transport).toBe("relay");
  expect(proxy.process.stdout).toContain("CONNECT 203.0.113.1:8443");
  expect(await meshJson(aliceHost, alice.home, "netcheck")).toMatchObject({ captivePortal: false });
});
