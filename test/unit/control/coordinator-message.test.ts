import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MeshError } from "../../../src/base/errors.ts";
import { parseCoordinatorMessage } from "../../../src/control/coordinator-message.ts";
import { mapPeer, networkMap } from "../../support/network-map.ts";

describe("messages of the coordinator", () => {
  const map = { type: "map", map: networkMap([mapPeer("bob", 2)]) };

  it("are taken when their shape is right, with fields of later versions left out", () => {
    expect(parseCoordinatorMessage(JSON.stringify({ ...map, later: 1 }))).toEqual(map);
  });

  it("are ignored when their type is of a later version", () => {
    expect(parseCoordinatorMessage('{"type":"dance","steps":3}')).toBeUndefined();
  });

  it.each(["", "{", "null", "[]", "7", '{"type":"map"}', '{"type":"delta","delta":{}}', '{"type":7}', "{}"])(
    "%j is refused or ignored, never taken",
    (text) => {
      let taken: unknown;
      try {
        taken = parseCoordinatorMessage(text);
      } catch (failure) {
        expect(failure).toMatchObject({ code: "bad-request" });
      }
      expect(taken).toBeUndefined();
    },
  );

  it.each(["", "AAAA", "x".repeat(44), `${"A".repeat(42)}B=`, "A".repeat(10_000)])(
    "with the key %.12j in them are refused, whoever it is said to be",
    (key) => {
      const good = mapPeer("bob", 2);
      for (const change of [{ wireguardKey: key }, { machineKey: key }]) {
        const told = [{ ...good, ...change }];
        const whole = { type: "map", map: networkMap(told) };
        const delta = { type: "delta", delta: { fromVersion: 1, toVersion: 2, upserted: told, removed: [] } };
        for (const message of [whole, delta]) {
          const parse = () => parseCoordinatorMessage(JSON.stringify(message));
          expect(parse).toThrow(expect.objectContaining({ code: "bad-request" }));
        }
      }
      const delta = { fromVersion: 1, toVersion: 2, upserted: [good], removed: [] };
      expect(parseCoordinatorMessage(JSON.stringify({ type: "delta", delta }))).toBeDefined();
    },
  );

  it("never cause anything but a bad-request, whatever they hold", () => {
    const type = fc.constantFrom("hello", "welcome", "map", "delta", "rejected", "other");
    const message = fc.oneof(fc.jsonValue(), fc.record({ type, map: fc.jsonValue(), delta: fc.jsonValue() }));
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          message.map((value) => JSON.stringify(value)),
        ),
        (text) => {
          try {
            parseCoordinatorMessage(text);
          } catch (failure) {
            expect(failure).toBeInstanceOf(MeshError);
            expect(failure).toMatchObject({ code: "bad-request" });
          }
        },
      ),
    );
  });

  it("never cause anything but a bad-request when one byte of a good one is wrong", () => {
    const text = JSON.stringify(map);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ maxLength: 3 }), (at, noise) => {
        try {
          parseCoordinatorMessage(text.slice(0, at) + noise + text.slice(at + 1));
        } catch (failure) {
          expect(failure).toMatchObject({ code: "bad-request" });
        }
      }),
    );
  });
});
