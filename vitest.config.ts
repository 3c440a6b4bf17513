import { defineConfig } from "vitest/config";

// Kinds of test: `unit` and `compliance` touch next to nothing of the machine, `sim` runs on a virtual clock,
// `lab` drives real daemons in network namespaces and needs root, one file at a time: it shares two cores. `realtime` is
// lab tests that mostly wait, for timers of minutes that a second end has, too; `npm test` runs them beside the others.
const lab = { testTimeout: 60_000, hookTimeout: 60_000, fileParallelism: false };
const REALTIME = "test/lab/**/*-realtime.test.ts";

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts", "test/compliance/**/*.test.ts", "test/sim/**/*.test.ts"],
        },
      },
      {
        test: {
          name: "lab",
          include: ["test/lab/**/*.test.ts"],
          exclude: [REALTIME],
          ...lab,
        },
      },
      { test: { name: "realtime", include: [REALTIME], ...lab } },
    ],
  },
});
