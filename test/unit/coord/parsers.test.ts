import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { machineMessageSchema } from "../../../src/api/control-channel.ts";
import { decodeJoinToken, encodeJoinToken } from "../../../src/api/join-token.ts";
import { registerRequestSchema } from "../../../src/api/registration.ts";
import { MeshError } from "../../../src/base/errors.ts";
import { parseMachineMessage } from "../../../src/coord/control/channel.ts";
import { checkValue } from "../../../src/coord/http/body.ts";
import { makeKeys } from "../../support/coordinator-client.ts";

/** Runs a parser on what may be anything: a result, or one of our errors with a short message that repeats no input. */
function outcome<T>(parse: () => T, allowedCodes: readonly string[]): T | undefined {
  try {
    return parse();
  } catch (failure) {
    expect(failure).toBeInstanceOf(MeshError);
    expect(allowedCodes).toContain((failure as MeshError).code);
    expect((failure as MeshError).message.length).toBeLessThan(400);
    return undefined;
  }
}

const authenticate = {
  type: "authenticate",
  protocol: { min: 1, max: 1 },
  machineKey: makeKeys().machineKey,
  proof: Buffer.alloc(64).toString("base64"),
  mapVersion: null,
  softwareVersion: "1",
};
const endpoints = {
  type: "endpoints",
  listenPort: 1,
  endpoints: ["192.0.2.1:1", "[2001:db8::1]:2"],
  sshPorts: [2222],
  udp: false,
  unreachedRelays: [],
};

describe("control messages", () => {
  const parse = (text: string) => parseMachineMessage(Buffer.from(text), false);

  it("are read back as they were written", () => {
    for (const message of [authenticate, endpoints]) expect(parse(JSON.stringify(message))).toEqual(message);
  });

  it("of any other kind are ignored or refused, never more", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.string().map((type) => JSON.stringify({ type })),
        ),
        (text) => {
          const parsed = outcome(() => parse(text), ["bad-request"]);
          if (parsed !== undefined) machineMessageSchema.parse(parsed);
        },
      ),
    );
  });

  it("with one field spoiled are refused", () => {
    fc.assert(
      fc.property(fc.constantFrom(authenticate, endpoints), fc.nat(), fc.jsonValue(), (message, index, junk) => {
        const fields = Object.keys(message).filter((field) => field !== "type");
        const field = fields[index % fields.length]!;
        const spoiled = { ...message, [field]: junk };
        const parsed = outcome(() => parse(JSON.stringify(spoiled)), ["bad-request"]);
        expect(parsed === undefined).toBe(!machineMessageSchema.safeParse(spoiled).success);
      }),
    );
  });

  it("with fields beyond the contract are refused", () => {
    expect(() => parse(JSON.stringify({ ...endpoints, extra: 1 }))).toThrow(MeshError);
    expect(() => parse(JSON.stringify({ ...endpoints, endpoints: new Array(33).fill("192.0.2.1:1") }))).toThrow(
      MeshError,
    );
  });
});

describe("request bodies", () => {
  it("are a register request or one of our errors", () => {
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.object()), (value) => {
        const codes = ["bad-request", "bad-name", "bad-key"];
        expect(outcome(() => checkValue(value, registerRequestSchema), codes)).toBeUndefined();
      }),
    );
  });
});

describe("join tokens", () => {
  const token = {
    id: "0123456789abcdef0123456789abcdef",
    secret: "A".repeat(43),
    urls: ["https://192.0.2.1:8443", "https://[2001:db8::1]"],
    caFingerprint: "ab".repeat(32),
    network: "mesh",
  };

  it("are read back as they were written", () => {
    expect(decodeJoinToken(encodeJoinToken(token))).toEqual(token);
    expect(
      decodeJoinToken(`  ${encodeJoinToken({ ...token, caFingerprint: undefined })}\n`).caFingerprint,
    ).toBeUndefined();
  });

  it("that are cut, changed or made up are malformed, and their error does not repeat them", () => {
    const text = encodeJoinToken(token);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ maxLength: 3 }), fc.string(), (at, insert, random) => {
        for (const candidate of [
          text.slice(0, at),
          text.slice(0, at) + insert + text.slice(at + 1),
          random,
          `mesh1_${random}`,
        ]) {
          outcome(() => decodeJoinToken(candidate), ["token-malformed"]);
        }
      }),
    );
    const shortened = text.slice(0, -4);
    expect(() => decodeJoinToken(shortened)).toThrow(MeshError);
    expect(() => decodeJoinToken(shortened)).not.toThrow(shortened.slice(6, 30));
  });
});
