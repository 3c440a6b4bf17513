// Types of record-file.mjs, which stays plain JavaScript: benchmarks run from a checkout without a build of their own.
export function writeRecord(benchmark: string, record: { readonly at: string }, file?: string): string;
