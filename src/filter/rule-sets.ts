/** Sets of rules, a bit for each rule, equal ones kept once. */
export class RuleSets {
  readonly wordsPerSet: number;
  readonly #numbers = new Map<string, number>();
  readonly #kept: Uint32Array[] = [];

  constructor(rules: number) {
    this.wordsPerSet = Math.ceil(rules / 32);
  }

  /** The set of those that `fits` says true of. */
  of<Rule>(rules: readonly Rule[], fits: (rule: Rule) => boolean): Uint32Array {
    const set = new Uint32Array(this.wordsPerSet);
    for (const [index, rule] of rules.entries()) if (fits(rule)) this.include(set, index);
    return set;
  }

  include(set: Uint32Array, rule: number): void {
    set[rule >>> 5]! |= 1 << (rule & 31);
  }

  toggle(set: Uint32Array, rule: number): void {
    set[rule >>> 5]! ^= 1 << (rule & 31);
  }

  /** Keeps the set as it is now; returns its number. */
  add(set: Uint32Array): number {
    const key = Buffer.from(set.buffer, set.byteOffset, set.byteLength).toString("latin1");
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.#kept.push(set.slice()) - 1;
    this.#numbers.set(key, number);
    return number;
  }

  /** All sets in the order of their numbers. */
  toArray(): Uint32Array {
    const all = new Uint32Array(this.#kept.length * this.wordsPerSet);
    for (const [number, set] of this.#kept.entries()) all.set(set, number * this.wordsPerSet);
    return all;
  }
}
