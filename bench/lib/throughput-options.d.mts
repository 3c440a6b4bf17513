// Types of throughput-options.mjs, which stays plain JavaScript: benchmarks run from a checkout without a build of their own.
interface ThroughputOptions {
  readonly runs: number;
  readonly seconds: number;
  readonly patienceSeconds: number;
  readonly only: readonly string[] | undefined;
  readonly measures: readonly string[];
  readonly aead: readonly string[];
  readonly daemons: boolean;
  readonly wireguardGo: readonly string[];
  readonly fetchWireguardGo: boolean;
  readonly dist: string | undefined;
  readonly json: string | undefined;
  readonly gate: boolean;
  readonly help: boolean;
}

export const USAGE: string;
export function parseOptions(args: readonly string[]): ThroughputOptions;
export function wholeNumber(name: string, text: string, least: number, most?: number): number;
