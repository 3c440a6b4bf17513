import { generateKeyPairSync, randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { encodeJoinToken } from "../../../src/api/join-token.ts";
import { Redactor } from "../../../src/base/redactor.ts";

const secret = randomBytes(32).toString("base64url");
const token = encodeJoinToken({
  id: randomBytes(16).toString("hex"),
  secret,
  urls: ["https://192.0.2.1:8443"],
  caFingerprint: undefined,
  network: "mesh",
});
const pem = generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }).toString();
const pemBody = pem.split("\n")[1] as string;

describe("a redactor", () => {
  it.each([
    ["a token", `joining with ${token}, see below`, token],
    ["a token in JSON", JSON.stringify({ msg: `mesh join ${token}` }), token],
    ["a private key in PEM", pem, pemBody],
    ["a private key in PEM, in JSON", JSON.stringify({ key: pem }), pemBody],
    ["a password in a URL", "proxy http://alice:hunter2@proxy.example:3128/", "hunter2"],
    ["a field that is named so", JSON.stringify({ privateKey: secret, msg: "x" }), secret],
    ["a UAPI line", `private_key=${secret}`, secret],
    ["a header", `Authorization: Bearer ${secret}`, secret],
  ])("hides %s", (_what, text, hidden) => {
    const redacted = new Redactor().redact(text);
    expect(redacted).not.toContain(hidden);
    expect(redacted).toContain("[hidden]");
  });

  it("hides a key that it was told of in every way to write it, and no other", () => {
    const redactor = new Redactor();
    const [ours, theirs] = [randomBytes(32), randomBytes(32)];
    redactor.conceal(ours);
    for (const encoding of ["base64", "base64url", "hex"] as const) {
      expect(redactor.redact(`key ${ours.toString(encoding)}, end`)).toBe("key [hidden], end");
      expect(redactor.redact(`key ${theirs.toString(encoding)}, end`)).toContain(theirs.toString(encoding));
    }
  });

  it("leaves the rest as it is, and JSON valid", () => {
    const line = JSON.stringify({ level: 30, msg: "path chosen", peer: "bob", path: "udp 192.0.2.1:51820", token });
    const redacted = new Redactor().redact(line);
    expect(JSON.parse(redacted)).toMatchObject({ msg: "path chosen", path: "udp 192.0.2.1:51820" });
    expect(new Redactor().redact("connected to https://192.0.2.1:8443")).toBe("connected to https://192.0.2.1:8443");
  });
});
