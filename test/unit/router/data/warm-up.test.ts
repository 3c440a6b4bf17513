import { expect, it } from "vitest";
import { WARM_UP_ROUNDS, WARM_UP_STARTS, warmUp } from "../../../../src/router/data/warm-up.ts";
import { WARM_UP_FRAMES } from "../../../../src/router/data/warm-up-frames.ts";
import { selectAeadProvider } from "../../../../src/wireguard/aead/select.ts";
import { WHITEPAPER_TIMINGS } from "../../../../src/wireguard/constants.ts";
import { selectHandshakeCrypto } from "../../../../src/wireguard/crypto/select.ts";
import { completeChecksums, frameOf } from "../../packet/wire.ts";

it("the warm-up brings frames of every kind through the whole path", () => {
  const frames = warmUp({
    provider: selectAeadProvider().provider,
    crypto: selectHandshakeCrypto().crypto,
    timings: WHITEPAPER_TIMINGS,
  });
  expect(frames).toBeGreaterThanOrEqual(2 * WARM_UP_FRAMES.length);
  expect(frames).toBeLessThanOrEqual(2 * WARM_UP_STARTS * WARM_UP_ROUNDS);
});

it("the warm-up's frames are what a host would send", () => {
  for (const frame of WARM_UP_FRAMES.flatMap(({ forth, back }) => [forth, back])) {
    if (frame[0] === 0) continue;
    const gsoBytes = frame[4]! | (frame[5]! << 8);
    expect(Uint8Array.from(frame)).toEqual(frameOf(completeChecksums(frame.slice(10)), gsoBytes, frame[1]));
  }
});
