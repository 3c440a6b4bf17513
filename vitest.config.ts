import { defineConfig } from "vitest/config";

// Three kinds of test: `unit` and `compliance` touch next to nothing of the machine, `sim` runs on a virtual clock,
// `lab` drives real daemons in network namespaces and needs root. The lab runs a few files at a time: it shares two cores.
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
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
