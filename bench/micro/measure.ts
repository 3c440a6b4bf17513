const ROUND_NS = 100_000_000;
const ROUNDS = 5;
/** Somewhere for results to go, or the compiler leaves out what makes them. */
let blackHole = 0;

/** Prints and returns the median of a few rounds of `run`, in nanoseconds per unit; one call of `run` does `units`. */
export function measure(name: string, units: number, run: () => number): number {
  const once = () => {
    const started = process.hrtime.bigint();
    let calls = 0;
    let elapsedNs = 0;
    while (elapsedNs < ROUND_NS) {
      for (let i = 0; i < 10; i++) blackHole += run();
      calls += 10;
      elapsedNs = Number(process.hrtime.bigint() - started);
    }
    return elapsedNs / (calls * units);
  };
  once();
  const rounds = Array.from({ length: ROUNDS }, once).sort((a, b) => a - b);
  const medianNs = rounds[ROUNDS >> 1]!;
  console.log(`${name.padEnd(58)} ${medianNs.toFixed(1).padStart(8)} ns`);
  if (Number.isNaN(blackHole)) console.log(blackHole);
  return medianNs;
}
