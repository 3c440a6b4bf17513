import { describe, expect, it } from "vitest";
import { carriageFacts } from "../../../../src/daemon/explain/carriage-facts.ts";

const CARRIED = { isCarried: true, detail: "it carries to the internet" };
const FORBIDDEN = { isCarried: false, detail: "an admin forbids it" };
const FORWARDS = { "net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1" };

const told = (
  address: string,
  isAccepted: boolean | undefined,
  carriage = CARRIED,
  host: Record<string, string> = FORWARDS,
) =>
  carriageFacts(address, isAccepted === undefined ? undefined : { isAccepted }, {
    offers: { carriage: () => carriage },
    sysctls: { read: async (key) => host[key] },
  });

describe("what a peer says of carrying a connection", () => {
  it("is what it offers, where its packet path lets it in and its host forwards", async () => {
    expect(await told("203.0.113.5", true)).toEqual(CARRIED);
    expect(await told("2001:db8::7", true)).toEqual(CARRIED);
  });

  it("is that it drops what it does not carry, by the name of its counter", async () => {
    for (const [isAccepted, carriage] of [
      [false, FORBIDDEN],
      [true, FORBIDDEN],
      [false, CARRIED],
    ] as const) {
      const detail = `dropped as in-not-for-us: ${carriage.detail}`;
      expect(await told("203.0.113.5", isAccepted, carriage)).toEqual({ isCarried: false, detail });
    }
  });

  it("is that its host does not forward, by the name of the setting", async () => {
    const off = (address: string, host: Record<string, string>) => told(address, true, CARRIED, host);
    expect((await off("203.0.113.5", { ...FORWARDS, "net.ipv4.ip_forward": "0" }))?.detail).toContain(
      "net.ipv4.ip_forward",
    );
    expect((await off("2001:db8::7", { "net.ipv4.ip_forward": "1" }))?.detail).toContain(
      "net.ipv6.conf.all.forwarding",
    );
    expect(await told("192.168.50.7", undefined, CARRIED, {})).toMatchObject({ isCarried: false });
  });

  it("asks for no offer of what comes from a network behind it", async () => {
    expect(await told("192.168.50.7", undefined, FORBIDDEN)).toEqual({ isCarried: true, detail: "" });
  });
});
