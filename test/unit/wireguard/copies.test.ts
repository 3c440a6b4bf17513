import { describe, expect, it } from "vitest";
import { INITIATION_BYTES, RESPONSE_BYTES } from "../../../src/wireguard/constants.ts";
import { ALICE_AT, BOB_AT, makePair, text, textOf } from "../../support/wireguard-pair.ts";

const ALICE_OTHERWISE_AT = { address: "198.51.100.1", port: 40_000 };
const MAX_COPIES = 16;

/** Alice initiates; Bob gets the initiation once more with `copy`, as if by another path.. */
function initiateTwice(answersCopies: boolean) {
  const pair = makePair({ atBob: { answersCopies } });
  const { network, alice, bobId } = pair;
  network.attach(ALICE_OTHERWISE_AT, alice);
  alice.send(bobId, text("hello"));
  const bytes = network.sent[0]!.bytes;
  expect(bytes).toHaveLength(INITIATION_BYTES);
  const copy = () => network.send({ bytes, source: ALICE_OTHERWISE_AT, destination: BOB_AT });
  const responsesTo = ({ address }: { readonly address: string }) =>
    network.sent.filter((each) => each.bytes.length === RESPONSE_BYTES && each.destination.address === address);
  return { ...pair, copy, responsesTo };
}

describe("an initiation that comes by several paths", () => {
  it("gets the same response by each, and makes one session", () => {
    const { network, alice, bob, copy, responsesTo } = initiateTwice(true);
    copy();
    // Only the answer to the second copy finds its way.
    network.intercept = ({ destination, bytes }) =>
      bytes.length !== RESPONSE_BYTES || destination.address !== ALICE_AT.address;
    network.runUntil(() => bob.received.length === 1, 1000);
    expect(textOf(bob.received[0]?.payload)).toBe("hello");
    expect(responsesTo(ALICE_OTHERWISE_AT)[0]?.bytes).toEqual(responsesTo(ALICE_AT)[0]?.bytes);
    expect(alice.sessions.size).toBe(1);
    expect(bob.sessions.size).toBe(1);
    expect(bob.device.drops["replayed-initiation"]).toBe(0);
  });

  it("gets one response where the peer has one path", () => {
    const { network, bob, copy, responsesTo } = initiateTwice(false);
    copy();
    network.run(100);
    expect(responsesTo(ALICE_OTHERWISE_AT)).toEqual([]);
    expect(bob.device.drops["replayed-initiation"]).toBe(1);
  });

  it("is a replay after Rekey-Timeout, and after as many copies as there are paths", () => {
    const { network, bob, copy, responsesTo } = initiateTwice(true);
    for (let i = 0; i < MAX_COPIES + 3; i++) copy();
    network.run(100);
    expect(responsesTo(ALICE_OTHERWISE_AT)).toHaveLength(MAX_COPIES);
    expect(bob.device.drops["replayed-initiation"]).toBe(3);

    const late = initiateTwice(true);
    late.network.run(5100);
    late.copy();
    late.network.run(100);
    expect(late.responsesTo(ALICE_OTHERWISE_AT)).toEqual([]);
    expect(late.bob.device.drops["replayed-initiation"]).toBe(1);
  });
});
