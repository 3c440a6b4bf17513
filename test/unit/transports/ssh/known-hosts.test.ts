import { createHmac, randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { KnownHosts } from "../../../../src/transports/ssh/known-hosts.ts";
import { sshPublicKey } from "../../../../src/transports/ssh/machine-key.ts";

const key = sshPublicKey(randomBytes(32).toString("base64"));
const other = sshPublicKey(randomBytes(32).toString("base64"));
const line = (names: string, sshKey = key, marker = "") =>
  `${marker}${names} ssh-ed25519 ${sshKey.toString("base64")} a comment`;
const check = (text: string, host: string, port = 22) => new KnownHosts(text).check({ host, port }, key);

function hashed(name: string): string {
  const salt = randomBytes(20);
  return `|1|${salt.toString("base64")}|${createHmac("sha1", salt).update(name).digest("base64")}`;
}

describe("known_hosts (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)", () => {
  it.each([
    ["a name", "bastion", "bastion", 22, "known"],
    ["a name in other letters", "Bastion.Example", "bastion.EXAMPLE", 22, "known"],
    ["another name", "bastion", "bastion2", 22, "unknown"],
    ["a list", "one,192.0.2.1,two", "192.0.2.1", 22, "known"],
    ["another port", "[bastion]:2222", "bastion", 2222, "known"],
    ["a port that the line does not name", "bastion", "bastion", 2222, "unknown"],
    ["a port that the line names", "[bastion]:2222", "bastion", 22, "unknown"],
    ["an IPv6 address", "2001:db8::1", "2001:db8::1", 22, "known"],
    ["an IPv6 address with a port", "[2001:db8::1]:2222", "2001:db8::1", 2222, "known"],
    ["a pattern", "*.example", "a.b.example", 22, "known"],
    ["a pattern that ends before", "*.example", "a.example.org", 22, "unknown"],
    ["a pattern of single characters", "bastion?", "bastion1", 22, "known"],
    ["a pattern of too few", "bastion??", "bastion1", 22, "unknown"],
    ["a pattern with stars in a row", "b**n*", "bastion", 22, "known"],
    ["a negation", "*.example,!bad.example", "good.example", 22, "known"],
    ["what a negation takes out", "!bad.example,*.example", "bad.example", 22, "unknown"],
    ["no dot that is a wild card", "a.b", "axb", 22, "unknown"],
  ] as const)("%s: %s for %s port %d is %s", (_, names, host, port, verdict) => {
    expect(check(line(names), host, port)).toBe(verdict);
  });

  it("hashed names", () => {
    expect(check(line(hashed("bastion")), "bastion")).toBe("known");
    expect(check(line(hashed("[bastion]:2222")), "BASTION", 2222)).toBe("known");
    expect(check(line(hashed("bastion")), "other")).toBe("unknown");
    expect(check(line("|1|AAAA|"), "bastion")).toBe("unknown");
  });

  it("another key of a known host is a changed one; one of several is known", () => {
    expect(check(line("bastion", other), "bastion")).toBe("changed");
    expect(check(`${line("bastion", other)}\n${line("bastion")}`, "bastion")).toBe("known");
  });

  it("a revoked key is refused, also where another line has it as good", () => {
    expect(check(`${line("bastion")}\n${line("*", key, "@revoked ")}`, "bastion")).toBe("revoked");
    expect(check(line("bastion", other, "@revoked "), "bastion")).toBe("unknown");
  });

  it("comments, empty and damaged lines, and certificate authorities say nothing", () => {
    const lines = [
      "# bastion",
      "",
      "   ",
      "bastion",
      "bastion ssh-ed25519",
      "bastion ssh-ed25519 !!!!",
      `#${line("bastion")}`,
    ];
    const mislabelled = `bastion ssh-rsa ${key.toString("base64")}`;
    const authority = line("bastion", key, "@cert-authority ");
    expect(check([...lines, mislabelled, authority].join("\r\n"), "bastion")).toBe("unknown");
    expect(check([...lines, mislabelled, authority, line("bastion")].join("\r\n"), "bastion")).toBe("known");
  });

  it("only the algorithms of keys that stand there are asked for, and none by SHA-1", () => {
    const rsa = Buffer.concat([Buffer.from([0, 0, 0, 7]), Buffer.from("ssh-rsa"), randomBytes(40)]);
    const text = `${line("bastion")}\nbastion ssh-rsa ${rsa.toString("base64")}\nelsewhere ssh-rsa ${rsa.toString("base64")}`;
    const hosts = new KnownHosts(text);
    expect(hosts.algorithmsFor({ host: "bastion", port: 22 })).toEqual(["ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256"]);
    expect(hosts.algorithmsFor({ host: "elsewhere", port: 22 })).toEqual(["rsa-sha2-512", "rsa-sha2-256"]);
    expect(hosts.algorithmsFor({ host: "nowhere", port: 22 })).toEqual([]);
  });
});
