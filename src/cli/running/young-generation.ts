import { setFlagsFromString } from "node:v8";

// V8 doubles its young generation whenever much survives in it, as while modules are loaded. A peer's daemon allocates next
// to nothing after that, and would keep about 13 MB for no use.

export function keepYoungGenerationSmall(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
}

/** For a process that allocates all the time; the number is V8's own default. */
export function letYoungGenerationGrow(): void {
  setFlagsFromString("--semi-space-growth-factor=2");
}
