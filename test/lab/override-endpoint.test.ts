import { afterEach, beforeEach, expect, it } from "vitest";
import { eventually } from "../support/lab/eventually.ts";
import { Lab } from "../support/lab/lab.ts";
import type { LabHost } from "../support/lab/lab-host.ts";
import { makeRouter } from "../support/lab/lab-router.ts";
import type { LabSegment } from "../support/lab/lab-segment.ts";
import { meshJson } from "../support/lab/mesh-command.ts";
import { MeshPeer } from "../support/lab/mesh-peer.ts";
import { MeshServer } from "../support/lab/mesh-server.ts";

// Two peers behind routers that give another port for every destination: nobody can know where bob is reached, but the
// person who has forwarded a port to him.

const FORWARDED = 4500;

let lab: Lab;
let internet: LabSegment;

beforeEach(async () => {
  lab = await Lab.open();
  internet = await lab.segment("internet");
});
afterEach(() => lab[Symbol.asyncDispose]());

/** A host behind a hard NAT, outside at 203.0.113.`site`. */
async function behindHardNat(label: string, site: number): Promise<{ host: LabHost; router: LabHost }> {
  const [host, router] = [await lab.host(label), await lab.host("router")];
  await internet.attach(router, "out0", [`203.0.113.${site}/24`]);
  await lab.connect(
    { host: router, device: "in0", addresses: [`10.${site}.0.1/24`] },
    { host, device: "eth0", addresses: [`10.${site}.0.2/24`] },
  );
  await host.ip("route", "add", "default", "via", `10.${site}.0.1`);
  await makeRouter(router, { nat: "endpoint-dependent", outside: "out0", inside: "in0" });
  return { host, router };
}

it("a forwarded port leads to a peer as soon as an admin says so", async () => {
  const serverHost = await lab.host("server");
  await internet.attach(serverHost, "eth0", ["203.0.113.1/24"]);
  const server = await MeshServer.start(serverHost, { publicUrl: "https://203.0.113.1:8443" });
  const [a, b] = [await behindHardNat("alice", 10), await behindHardNat("bob", 20)];
  await b.router.must("nft", `insert rule ip guard forward ip daddr 10.20.0.2 udp dport 51820 accept`);
  const rule = `iifname out0 udp dport ${FORWARDED} dnat to 10.20.0.2:51820`;
  const hook = "type nat hook prerouting priority dstnat;";
  await b.router.must("nft", `table ip forwarding { chain prerouting { ${hook} ${rule}; }; }`);
  const join = async (host: LabHost) =>
    MeshPeer.join(host, { server: server.url, token: (await server.createToken()).token });
  const [alice, bob] = [await join(a.host), await join(b.host)];
  const { ip4 } = (await bob.status()).self!;
  await eventually("alice reaches bob", () => alice.host.pings(ip4), { timeoutMs: 15_000 });
  expect((await alice.peer("bob"))?.path?.transport).toBe("relay");

  await meshJson(serverHost, server.home, "peer", "override-endpoint", "bob", `203.0.113.20:${FORWARDED}`);
  const isDirect = async () => {
    await alice.host.pings(ip4);
    const path = (await alice.peer("bob"))?.path;
    return path?.transport === "udp" && path.endpoint === `203.0.113.20:${FORWARDED}`;
  };
  await eventually("alice reaches bob by the forwarded port", isDirect, { timeoutMs: 15_000 });
});
