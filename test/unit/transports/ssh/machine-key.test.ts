import { randomBytes } from "node:crypto";
import { type ParsedKey, utils } from "ssh2";
import { describe, expect, it } from "vitest";
import {
  machineKeyOfSeed,
  machinePublicKey,
  openSshPrivateKey,
  sshPublicKey,
} from "../../../../src/transports/ssh/machine-key.ts";

// RFC 8032 §7.1, test 1.
const SEED = Buffer.from("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "hex");
const PUBLIC = Buffer.from("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "hex").toString(
  "base64",
);

describe("the machine key in SSH", () => {
  it("has the public key of RFC 8032", () => {
    expect(machineKeyOfSeed(SEED)).toBe(PUBLIC);
  });

  it("stands on the wire as RFC 8709 has it", () => {
    const wire = sshPublicKey(PUBLIC);
    expect(wire.toString("hex")).toBe(
      `0000000b${Buffer.from("ssh-ed25519").toString("hex")}00000020${Buffer.from(PUBLIC, "base64").toString("hex")}`,
    );
  });

  it("is read by ssh2 from our private key file, whatever its bytes, and signs as the same key", () => {
    for (let round = 0; round < 50; round++) {
      const seed = round === 0 ? SEED : randomBytes(32);
      const key = utils.parseKey(openSshPrivateKey(seed)) as ParsedKey;
      expect(key.isPrivateKey()).toBe(true);
      expect(key.getPublicSSH()).toEqual(sshPublicKey(machineKeyOfSeed(seed)));
      const signature = key.sign(Buffer.from("message"));
      const own = utils.parseKey(`ssh-ed25519 ${sshPublicKey(machineKeyOfSeed(seed)).toString("base64")}`) as ParsedKey;
      expect(own.verify(Buffer.from("message"), signature)).toBe(true);
    }
  });

  it("has 32 bytes", () => {
    expect(() => openSshPrivateKey(SEED.subarray(1))).toThrow(expect.objectContaining({ code: "bad-key" }));
    expect(() => machinePublicKey("AAAA")).toThrow(expect.objectContaining({ code: "bad-key" }));
  });
});
