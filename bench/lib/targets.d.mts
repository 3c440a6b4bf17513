// Types of targets.mjs, which stays plain JavaScript: benchmarks run from a checkout without a build of their own.
interface Contender {
  readonly name: string;
  readonly kind: string;
  readonly version: string;
  readonly details: { readonly provider?: string };
}

export interface Judgement {
  readonly title: string;
  readonly bound: string;
  readonly ours?: string | undefined;
  readonly theirs?: string | undefined;
  readonly ratio?: number;
  readonly verdict: string;
}

export function judge(
  contenders: readonly Contender[],
  valuesOf: (contender: string, measure: string) => readonly number[],
): Judgement[];
export function isGatePassed(judgements: readonly Pick<Judgement, "verdict">[]): boolean;
