import { describe, expect, it } from "vitest";
import { chooseLink, type LinkView } from "../../../../src/transports/ssh/link-choice.ts";

let serial = 0;
const link = (fields: Partial<LinkView> = {}): LinkView => ({
  isDialled: true,
  isRemoteEnded: false,
  serial: ++serial,
  openedMs: 1000,
  ...fields,
});

describe("the choice among connections to one peer", () => {
  it("is the one that the smaller key dialled when both did at once, at both ends and in any order", () => {
    const [ours, theirs] = [link({ isDialled: true, openedMs: 1000 }), link({ isDialled: false, openedMs: 1500 })];
    for (const links of [
      [ours, theirs],
      [theirs, ours],
    ]) {
      expect(chooseLink(links, true)).toBe(ours);
      expect(chooseLink(links, false)).toBe(theirs);
    }
  });

  it("is the newest of one peer", () => {
    const [first, second] = [link({ isDialled: false }), link({ isDialled: false })];
    expect(chooseLink([first, second], true)).toBe(second);
  });

  it("is a later one whoever dialled: nobody does who still has the earlier one", () => {
    const [before, after] = [link({ isDialled: true, openedMs: 1000 }), link({ isDialled: false, openedMs: 4000 })];
    expect(chooseLink([before, after], true)).toBe(after);
    expect(chooseLink([after, before], true)).toBe(after);
  });

  it("is none that the other end is leaving, while there is another", () => {
    const [staying, leaving] = [link(), link({ isRemoteEnded: true, openedMs: 9000 })];
    expect(chooseLink([staying, leaving], true)).toBe(staying);
    expect(chooseLink([leaving], true)).toBe(leaving);
    expect(chooseLink([], true)).toBeUndefined();
  });
});
