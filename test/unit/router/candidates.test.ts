import { beforeEach, describe, expect, it } from "vitest";
import type { UdpEndpoint } from "../../../src/packet/endpoint.ts";
import { NO_PREFERENCE } from "../../../src/router/paths/events.ts";
import { parseEndpoint } from "../../../src/router/tunnel/endpoint-text.ts";
import { PathsToBob } from "./paths-to-bob.ts";

let to: PathsToBob;

beforeEach(() => {
  to = new PathsToBob();
});

const udp = (...texts: string[]): UdpEndpoint[] => texts.map(parseEndpoint);
const call = (...texts: string[]) => ({ isAnswer: false, endpoints: udp(...texts) });

describe("candidates", () => {
  it("may be more than there are paths: pipes have theirs, and addresses that the peer is heard from", () => {
    to.endpoints = Array.from({ length: 33 }, (_, i) => `198.51.100.${i}:51820`);
    to.configure();
    expect(to.transports.filter((transport) => transport !== "udp")).toEqual(["relay", "ssh"]);
    expect(to.udp).toEqual(to.endpoints.slice(0, 12));
    to.note(to.paths.sessionUp(to.id));
    for (const endpoint of udp("203.0.113.1:1", "203.0.113.2:2", "203.0.113.3:3"))
      to.paths.take({ type: "stranger", peer: to.id, endpoint });
    expect(to.udp).toHaveLength(14);
    expect(to.udp).toEqual(expect.arrayContaining(["203.0.113.3:3"]));
  });

  it("that others no longer tell of stay while they are in use", () => {
    to.configure();
    to.note(to.paths.sessionUp(to.id));
    expect(to.paths.statusOf(to.id)?.all.map(({ endpoint }) => endpoint)).toContain("192.0.2.3:51820");
    to.endpoints = ["192.0.2.77:51820"];
    to.configure();
    expect(to.udp).toEqual(expect.arrayContaining(["192.0.2.3:51820", "192.0.2.77:51820"]));
    expect(to.udp).not.toContain("[2001:db8::3]:51820");
  });
});

describe("a call of the peer", () => {
  it("names candidates that come before what others tell, until others tell something else", () => {
    to.configure();
    to.paths.called(to.bob, call("203.0.113.9:4500", "192.0.2.3:51820"));
    expect(to.udp).toHaveLength(3);
    expect(to.udp).toContain("203.0.113.9:4500");
    to.configure();
    expect(to.udp).toContain("203.0.113.9:4500");
    to.endpoints = ["192.0.2.77:51820"];
    to.configure();
    expect(to.udp).toEqual(["192.0.2.77:51820"]);
  });

  it("is believed no address of no use, and none inside the mesh", () => {
    to.configure();
    to.paths.called(
      to.bob,
      call("10.86.0.9:51820", "127.0.0.1:53", "224.0.0.1:9", "0.0.0.0:1", "[::1]:1", "[ff02::1]:9"),
    );
    expect(to.udp).toEqual(to.endpoints);
  });

  it("starts a handshake to all candidates, and repeats it with the next call", () => {
    to.configure();
    to.take("send");
    to.paths.called(to.bob, call("203.0.113.9:4500"));
    const [first] = to.take("send");
    expect(first?.destinations).toEqual(expect.arrayContaining(udp("203.0.113.9:4500", "192.0.2.3:51820")));
    to.paths.called(to.bob, call("203.0.113.9:4500"));
    const [second] = to.take("send");
    expect(second?.bytes).toEqual(first?.bytes);
    expect(second?.destinations).toEqual(first?.destinations);
  });

  it("is one of a few: a flood is not heard", () => {
    to.configure();
    to.take("send");
    for (let i = 0; i < 50; i++) to.paths.called(to.bob, call(`203.0.113.${i + 1}:4500`));
    expect(to.take("send").length).toBeLessThanOrEqual(10);
    expect(to.udp.length).toBeLessThanOrEqual(4);
  });

  it("of a stranger, or where UDP is not to be used, changes nothing", () => {
    to.configure({ ...NO_PREFERENCE, excluded: ["udp"] });
    to.paths.called(to.bob, call("203.0.113.9:4500"));
    to.paths.called(Buffer.alloc(32, 3).toString("base64"), call("203.0.113.9:4500"));
    expect(to.udp).toEqual([]);
  });
});

it("a peer is called through the coordinator while data waits for a session with it", () => {
  to.configure();
  expect(to.called).toEqual([]);
  to.paths.take({ type: "active", peer: to.id });
  expect(to.called).toEqual([to.bob]);
});
