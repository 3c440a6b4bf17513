import { TokenBucket } from "../../base/token-bucket.ts";

/** A burst of answers, and how many come back each second: a flood of hopeless packets must not cost twice. */
const BURST = 50;
const PER_SECOND = 100;

/** Limits how many packets are answered by one of our own making. */
export function answerBudget(): TokenBucket {
  return new TokenBucket(BURST, PER_SECOND, 0);
}
