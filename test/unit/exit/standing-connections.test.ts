import { expect, it } from "vitest";
import { standingConnections } from "../../../src/exit/use/standing-connections.ts";

const HEAD = "  sl  local_address rem_address   st tx_queue rx_queue";
const TCP = [
  HEAD,
  "   0: 00000000:0016 00000000:0000 0A 00000000:00000000",
  "   1: 020200C0:0016 090200C0:C350 01 00000000:00000000",
  // Ours, to a server elsewhere.
  "   2: 020200C0:D431 506433C6:01BB 01 00000000:00000000",
  // Inside the mesh, and on this host.
  "   3: 0200560A:0016 0300560A:C351 01 00000000:00000000",
  "   4: 0100007F:0016 0100007F:C352 01 00000000:00000000",
  "   5: 020200C0:0016 0A0200C0:C353 06 00000000:00000000",
].join("\n");
const TCP6 = [
  HEAD,
  "   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0",
  "   1: 0000000000000000FFFF0000020200C0:1F90 0000000000000000FFFF0000090200C0:C354 01 0",
  "   2: B80D0120000000000000000002000000:1F90 B80D0120000000000000000009000000:C355 01 0",
].join("\n");

it("takes what others opened to ports that are listened on, IPv4 by IPv6 sockets too", () => {
  expect(standingConnections([TCP, TCP6], ["10.86.0.0/16", "fd86::/48"])).toEqual([
    { localAddress: "192.0.2.2", localPort: 22, remoteAddress: "192.0.2.9", remotePort: 50000 },
    { localAddress: "192.0.2.2", localPort: 8080, remoteAddress: "192.0.2.9", remotePort: 50004 },
    { localAddress: "2001:db8::2", localPort: 8080, remoteAddress: "2001:db8::9", remotePort: 50005 },
  ]);
});

it("has nothing to say of tables that are not there", () => {
  expect(standingConnections(["", HEAD], [])).toEqual([]);
});
