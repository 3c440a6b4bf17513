import { describe, expect, it } from "vitest";
import { PublicAddresses } from "../../../../src/daemon/bug-report/public-addresses.ts";

describe("public addresses in a report", () => {
  it.each([
    ["udp 203.0.113.5:51820", "udp public4-1:51820"],
    ["[2001:db8::5]:51820, 2001:db8:0:0::5", "[public6-1]:51820, public6-1"],
    ["https://203.0.113.5:8443/x", "https://public4-1:8443/x"],
    ["203.0.113.5, then 198.51.100.7. And 203.0.113.5", "public4-1, then public4-2. And public4-1"],
    ["::ffff:203.0.113.5 is 203.0.113.5", "::ffff:public4-1 is public4-1"],
    ["64:ff9b::cb00:7105", "public6-1"],
    ["2001:db8:1::/64 dev eth0", "public6-1/64 dev eth0"],
    ["fe80::fc:ff:fe00:1%eth0", "public6-1%eth0"],
  ])("%s becomes %s", (text, hidden) => {
    expect(new PublicAddresses().hide(text)).toBe(hidden);
  });

  it.each([
    "10.86.0.2/16 192.168.1.9 172.16.0.1 100.64.0.1 127.0.0.53 169.254.1.1 0.0.0.0/0 224.0.0.251 255.255.255.255",
    "fd86:1::2/48 fe80::1%eth0 ::1 :: ::/0 ff02::fb",
    "2026-11-22T12:00:00.000Z mesh 0.1.0 kernel 6.1.0-13 openssl 3.0.19",
    "aa:bb:cc:dd:ee:ff 1.2.3 1.2.3.4.5 999.1.1.1 a::b::c module::path",
  ])("%s stays", (text) => {
    expect(new PublicAddresses().hide(text)).toBe(text);
  });
});
