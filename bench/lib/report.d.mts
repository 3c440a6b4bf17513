// Types of report.mjs, which stays plain JavaScript: benchmarks run from a checkout without a build of their own.
import type { Judgement } from "./targets.mjs";

interface Named {
  readonly name: string;
}

export class Results {
  add(contender: string, measure: string, record: Readonly<Record<string, number>>): void;
  values(contender: string, measure: string, field?: string): number[];
  toJSON(): Record<string, Record<string, Record<string, number>[]>>;
}

export function figuresTable(contenders: readonly Named[], measures: readonly string[], results: Results): string;
export function ratiosTable(
  own: Named,
  others: readonly Named[],
  measures: readonly string[],
  results: Results,
): string;
export function targetsTable(judgements: readonly Judgement[]): string;
