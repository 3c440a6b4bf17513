import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { encodeJoinToken } from "../../../src/api/join-token.ts";
import { MeshError } from "../../../src/base/errors.ts";
import { PeerKeys } from "../../../src/control/peer-keys.ts";
import { openLogTo } from "../../../src/daemon/log/log.ts";
import { concealKeys } from "../../../src/daemon/membership/conceal-keys.ts";

const everything = () => true;

describe("the log", () => {
  it.each(["json", "pretty"] as const)("has no secret in it at debug, however it gets there (%s)", (format) => {
    const keys = PeerKeys.generate();
    const secret = randomBytes(32).toString("base64url");
    const urls = ["https://192.0.2.1:8443"];
    const token = encodeJoinToken({ id: "0".repeat(32), secret, urls, caFingerprint: undefined, network: "mesh" });
    let written = "";
    const write = (text: string) => {
      written += text;
    };
    const { logger, ring, redactor } = openLogTo(write, { format, verbose: true });
    concealKeys(keys, redactor);
    const [seed, wireguard] = [keys.exportMachineSeed(), keys.exportWireguardPrivate()].map((key) => Buffer.from(key));
    const secrets = [seed!, wireguard!].flatMap((key) => [key.toString("base64"), key.toString("hex")]);
    for (const hidden of [...secrets, token]) {
      logger.debug({ what: hidden }, `it is ${hidden}`);
      logger.child({ of: [hidden] }).error({ err: new MeshError("internal", `no use of ${hidden}`) }, "failed");
    }
    logger.info({ config: { token: secret, privateKey: secret, wrong: "x" } }, `Authorization: Bearer ${secret}`);
    logger.warn({ seed: 12345 }, "a number");

    const kept = ring.latest(1000, everything);
    expect(kept).toHaveLength(12);
    for (const line of kept) JSON.parse(line);
    for (const hidden of [...secrets, token, secret, "12345"]) {
      expect(written).not.toContain(hidden);
      expect(kept.join("\n")).not.toContain(hidden);
    }
    // What is public stays readable.
    logger.info({ publicKey: keys.wireguardKey }, "here");
    expect(written).toContain(keys.wireguardKey);
  });

  it("keeps its latest lines, and none that is endless", () => {
    const { logger, ring } = openLogTo(() => {}, { format: "json", verbose: false });
    logger.debug({}, "not asked for");
    for (let i = 0; i < 1001; i++) logger.info({ i }, "x".repeat(i === 1000 ? 10_000 : 1));
    const kept = ring.latest(5000, everything);
    expect([kept.length, JSON.parse(kept[0] ?? "").i]).toEqual([1000, 1]);
    expect(kept.at(-1)?.length).toBeLessThan(5000);
  });
});
