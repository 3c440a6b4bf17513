import { describe, expect, it } from "vitest";
import { type CarrierState, carriageTo } from "../../../src/exit/carriage.ts";
import { forwardedNetworks } from "../../../src/exit/forwarded.ts";
import { parseAddress } from "../../../src/packet/address.ts";
import { parseCidr } from "../../../src/packet/cidr.ts";
import { openingPacket } from "../../../src/packet/opening-packet.ts";
import { PacketBuffer } from "../../../src/packet/packet-buffer.ts";
import { PacketRecord } from "../../../src/packet/packet-record.ts";
import { parsePacket } from "../../../src/packet/parse.ts";
import { Destinations } from "../../../src/router/shared/destinations.ts";

const MESH = ["10.86.0.0/16", "fd86::/48"];
const NOTHING: CarrierState = {
  exit: { offered: false, forbidden: false, families: ["ipv4", "ipv6"] },
  routes: [],
  snatRoutes: true,
  mesh: MESH,
};
const EXIT: CarrierState = { ...NOTHING, exit: { ...NOTHING.exit, offered: true } };
const lan = { cidr: "192.168.50.0/24", inForce: true, detail: "approved" };
const waiting = { cidr: "192.168.50.0/24", inForce: false, detail: "not approved by an admin yet" };
const ROUTER: CarrierState = { ...NOTHING, routes: [lan] };
const WEB = "203.0.113.5";
const WEB6 = "2001:db8::7";
const PRINTER = "192.168.50.7";

const CASES: readonly (readonly [address: string, state: CarrierState, isCarried: boolean, detail: string])[] = [
  [WEB, NOTHING, false, "it offers no exit"],
  [WEB, EXIT, true, "to the internet, with its own address"],
  [WEB6, EXIT, true, "to the internet"],
  [WEB, { ...EXIT, exit: { ...EXIT.exit, forbidden: true } }, false, "an admin forbids it"],
  [WEB6, { ...EXIT, exit: { ...EXIT.exit, families: ["ipv4"] } }, false, "no way to the internet by IPv6"],
  [PRINTER, EXIT, false, "192.168.0.0/16 is none of it"],
  ["127.0.0.1", EXIT, false, "127.0.0.0/8 is none of it"],
  ["169.254.169.254", EXIT, false, "169.254.0.0/16 is none of it"],
  ["10.86.0.9", EXIT, false, "10.86.0.0/16 is none of it"],
  ["fe80::1", EXIT, false, "fe80::/9 is none of it"],
  [PRINTER, ROUTER, true, "192.168.50.0/24 behind it (approved), with its own address"],
  [PRINTER, { ...NOTHING, routes: [{ ...lan, detail: "approved, but no way" }] }, true, "(approved, but no way)"],
  [PRINTER, { ...ROUTER, snatRoutes: false }, true, "with the sender's address"],
  [PRINTER, { ...EXIT, routes: [lan] }, true, "192.168.50.0/24 behind it"],
  ["192.168.51.7", ROUTER, false, "it offers no exit, and no network with this address"],
  [PRINTER, { ...NOTHING, routes: [waiting] }, false, "192.168.50.0/24 behind it is not approved"],
  [PRINTER, { ...EXIT, routes: [waiting] }, false, "192.168.50.0/24 behind it is not approved"],
  [WEB, { ...EXIT, routes: [{ ...waiting, cidr: "203.0.113.0/24" }] }, true, "to the internet"],
];

describe("what a machine carries for its peers", () => {
  it.each(CASES)("to %s, %j: %s", (address, state, isCarried, detail) => {
    const told = carriageTo(address, state);
    expect(told.isCarried).toBe(isCarried);
    expect(told.detail).toContain(detail);
  });

  it.each(CASES)("is what its packet path lets in: to %s, %j", (address, state, isCarried) => {
    const { exit, routes } = state;
    const carried = {
      exit: exit.offered && !exit.forbidden ? exit.families : [],
      routes: routes.filter(({ inForce }) => inForce).map(({ cidr }) => cidr),
    };
    const { forwarded, spared } = forwardedNetworks(carried, MESH);
    const destinations = new Destinations();
    destinations.use({ own: [], forwarded: forwarded.map(parseCidr), spared: spared.map(parseCidr) });
    const source = parseAddress(address.includes(":") ? "fd86::2" : "10.86.0.2");
    const bytes = openingPacket("tcp", source, parseAddress(address), 443);
    const buffer = new PacketBuffer(128);
    buffer.bytes.set(bytes);
    const packet = new PacketRecord();
    expect(parsePacket(buffer, 0, bytes.length, packet)).toBe(true);
    expect(destinations.accepts(buffer, packet)).toBe(isCarried);
  });
});
