import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

// Kinds of test: `unit` and `compliance` touch next to nothing of the machine, `sim` runs on a virtual clock,
// `lab` drives real daemons in network namespaces and needs root, one file at a time: it shares two cores. `beside` is
// lab tests that mostly wait, for daemons or for timers, and hold no bound on speed: `npm test` runs them three files at a
// time, beside the others; `realtime` is those that do nothing but wait for minutes, beside both. `alone` is lab tests of a
// dozen daemons with tight bounds on time: they run when all others are done. `soak` is lab tests too long or too often
// repeated for `npm test`: `npm run soak` runs them.
const lab = { testTimeout: 60_000, hookTimeout: 60_000, fileParallelism: false };
const REALTIME = ["test/lab/**/*-realtime.test.ts"];
const ALONE = ["test/lab/stand-alone-relays.test.ts"];
const BESIDE = [
  "test/lab/admin-peer.test.ts",
  "test/lab/calls.test.ts",
  "test/lab/cidr-policy.test.ts",
  "test/lab/cli-bad-input.test.ts",
  "test/lab/completion.test.ts",
  "test/lab/compose.test.ts",
  "test/lab/contexts.test.ts",
  "test/lab/coordinator-kill.test.ts",
  "test/lab/coordinator-listen.test.ts",
  "test/lab/daemon-life.test.ts",
  "test/lab/exit-guard.test.ts",
  "test/lab/exit-leaks.test.ts",
  "test/lab/dns.test.ts",
  "test/lab/exit-offer.test.ts",
  "test/lab/explain.test.ts",
  "test/lab/failing-parts.test.ts",
  "test/lab/filter-evasion.test.ts",
  "test/lab/filter.test.ts",
  "test/lab/firewall-mark.test.ts",
  "test/lab/guides.test.ts",
  "test/lab/host-resolved.test.ts",
  "test/lab/host-undo.test.ts",
  "test/lab/http-proxy.test.ts",
  "test/lab/installation.test.ts",
  "test/lab/interop-engine.test.ts",
  "test/lab/join.test.ts",
  "test/lab/lab-router.test.ts",
  "test/lab/namespace-list/03-*.test.ts",
  "test/lab/namespace-list/04-*.test.ts",
  "test/lab/namespace-list/06-*.test.ts",
  "test/lab/namespace-list/08-*.test.ts",
  "test/lab/namespace-list/09-*.test.ts",
  "test/lab/namespace-list/10-*.test.ts",
  "test/lab/namespace-list/11-*.test.ts",
  "test/lab/namespace-list/13-*.test.ts",
  "test/lab/namespace-list/14-*.test.ts",
  "test/lab/namespace-list/15-*.test.ts",
  "test/lab/namespace-list/16-*.test.ts",
  "test/lab/namespace-list/17-*.test.ts",
  "test/lab/nat-pairs.test.ts",
  "test/lab/network-filter.test.ts",
  "test/lab/offloads-missing.test.ts",
  "test/lab/override-endpoint.test.ts",
  "test/lab/path-mtu.test.ts",
  "test/lab/path-preference.test.ts",
  "test/lab/peer-lifecycle.test.ts",
  "test/lab/port-mapping.test.ts",
  "test/lab/readme.test.ts",
  "test/lab/relay-hostile.test.ts",
  "test/lab/removed-peer.test.ts",
  "test/lab/reverse-proxy.test.ts",
  "test/lab/serve-join.test.ts",
  "test/lab/ssh-*.test.ts",
  "test/lab/state-kill.test.ts",
  "test/lab/stun.test.ts",
  "test/lab/wireguard-cookies.test.ts",
  "test/lab/wireguard-interop.test.ts",
  "test/lab/wireguard-ipv6-disabled.test.ts",
  "test/lab/wireguard-robustness.test.ts",
];

/** Of those, the longest, longest first: begun last, one of them would run on when all others are done. */
const LONGEST = [
  "guides",
  "installation",
  "daemon-life",
  "exit-leaks",
  "serve-join",
  "exit-offer",
  "join",
  "filter",
  "explain",
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const placeOf = ({ moduleId }: TestSpecification) => {
      const place = LONGEST.findIndex((name) => moduleId.endsWith(`/test/lab/${name}.test.ts`));
      return place < 0 ? LONGEST.length : place;
    };
    return (await super.sort(files)).toSorted((a, b) => placeOf(a) - placeOf(b));
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts", "test/compliance/**/*.test.ts", "test/sim/**/*.test.ts"],
          // Long enough for a busy machine: nothing in these tests measures time by it.
          testTimeout: 20_000,
          // Nothing of ours has state of its own in a module: a worker loads the modules once, not again for each file.
          isolate: false,
        },
      },
      {
        test: {
          name: "lab",
          include: ["test/lab/**/*.test.ts"],
          exclude: [...BESIDE, ...REALTIME, ...ALONE],
          ...lab,
        },
      },
      { test: { name: "beside", include: BESIDE, ...lab, fileParallelism: true } },
      { test: { name: "realtime", include: REALTIME, ...lab } },
      { test: { name: "alone", include: ALONE, ...lab } },
      { test: { name: "soak", include: ["test/soak/**/*.test.ts"], ...lab, maxConcurrency: 12 } },
    ],
  },
});
