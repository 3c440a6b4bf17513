import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TRANSPORT_NAMES } from "../../../../src/base/transports.ts";
import { Preference } from "../../../../src/router/paths/preference.ts";

const transport = fc.constantFrom(...TRANSPORT_NAMES);

describe("preference among transports", () => {
  it("is UDP, SSH, relay by default", () => {
    expect(TRANSPORT_NAMES.map((each) => Preference.byDefault.rankOf(each))).toEqual([0, 1, 2]);
    expect(Preference.byDefault.isExplicit).toBe(false);
  });

  it("puts the preferred one first, leaves out the excluded ones and those that are not named", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(transport),
        fc.uniqueArray(transport),
        fc.option(transport),
        (order, excluded, preferred) => {
          const preference = new Preference(order, excluded, preferred);
          const allowed = TRANSPORT_NAMES.filter((each) => preference.isAllowed(each));
          const expected = TRANSPORT_NAMES.filter(
            (each) => !excluded.includes(each) && (order.includes(each) || each === preferred),
          );
          expect(allowed).toEqual(expected);
          const best = allowed.toSorted((a, b) => preference.rankOf(a) - preference.rankOf(b))[0];
          if (preferred !== null && !excluded.includes(preferred)) expect(best).toBe(preferred);
          else expect(best).toBe(order.find((each) => !excluded.includes(each)));
        },
      ),
    );
  });

  it("is explicit when somebody asked for something else", () => {
    expect(new Preference(["ssh", "udp", "relay"], [], null).isExplicit).toBe(true);
    expect(new Preference(TRANSPORT_NAMES, [], "relay").isExplicit).toBe(true);
    expect(new Preference(["udp"], ["ssh"], null).isExplicit).toBe(false);
  });
});
