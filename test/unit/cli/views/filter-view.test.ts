import { expect, it } from "vitest";
import type { FilterEntry, FilterView } from "../../../../src/api/local-filter.ts";
import { renderFilter } from "../../../../src/cli/views/filter-view.ts";

const defaults: FilterView["defaults"] = {
  in: { verdict: "allow", from: "built-in" },
  out: { verdict: "allow", from: "built-in" },
};
const rule: FilterEntry = {
  ...{ id: "47e6067c", layer: "coordinator", action: "deny", direction: "out", protocol: "tcp", ports: "3306" },
  ...{ source: "tag:guest", destination: "any", hits: 1, expiresAt: null, comment: null, note: null },
};

it("a rule of the network that holds in one direction is not said to change nothing", () => {
  const incoming: FilterEntry = { ...rule, direction: "in", note: "no peer in sight has the tag guest" };
  const idle: FilterEntry = { ...incoming, id: "575e078b" };
  const text = renderFilter({ defaults, rules: [rule, incoming, idle], connections: 0 });
  expect(text.split("\n").at(-1)).toBe("575e078b changes nothing: no peer in sight has the tag guest");
  expect(text).not.toContain("47e6067c changes nothing");
});
