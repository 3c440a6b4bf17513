// Types of coordinator.mjs, which stays plain JavaScript: benchmarks run from a checkout without a build of their own.
import type * as load from "./coordinator/load.ts";

export function coordinator(args: readonly string[], prepare: () => Promise<typeof load>): Promise<number>;
