import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { peerConfigSchema } from "../../../src/api/peer-config.ts";
import { currentOf, listContexts, requireContext, showContext } from "../../../src/cli/contexts.ts";
import { forNetwork } from "../../../src/cli/options/peer-options.ts";
import { renderContext, renderContexts } from "../../../src/cli/views/context-view.ts";
import { makeCurrent } from "../../../src/daemon/networks/current-network.ts";
import { type Home, resolveHome } from "../../../src/daemon/networks/home.ts";
import { leaveState } from "../../support/joined-network.ts";

describe("mesh context, where no daemon runs", () => {
  let directory: string;
  let home: Home;
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "mesh-contexts-"));
    home = resolveHome(directory);
    await leaveState(home, "home", 91);
    await leaveState(home, "work", 92, { interface: "mesh1", listenPort: 51821, sshPorts: [2223] });
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it("lists all of them, and marks the one that commands mean", async () => {
    expect(currentOf(home, undefined)).toBeUndefined();
    await makeCurrent(home, "work");
    expect(await listContexts(home, undefined)).toEqual([
      {
        name: "home",
        current: false,
        state: "stopped",
        interface: "mesh0",
        ip4: "10.91.0.1",
        ip6: "fd91::1",
        coordinator: "https://coordinator.home.example:8443",
      },
      expect.objectContaining({ name: "work", current: true, interface: "mesh1", ip4: "10.92.0.1" }),
    ]);
    expect(renderContexts(await listContexts(home, undefined))).toMatch(
      /^ {3}home .*\n\* {2}work {5}stopped {2}mesh1 {6}10\.92/m,
    );
  });

  it("what environment or file name outweighs what was chosen", async () => {
    await makeCurrent(home, "work");
    expect((await listContexts(home, "home")).map(({ current }) => current)).toEqual([true, false]);
  });

  it("shows one with all that it has to itself on this host", async () => {
    const details = await showContext(home, "work", undefined);
    expect(details).toMatchObject({
      name: "work",
      peer: "me",
      domain: "work",
      ranges: ["10.92.0.0/16", "fd92::/48"],
      listenPort: 51821,
      sshPorts: [2223],
      directory: join(directory, "networks", "work"),
    });
    expect(renderContext(details)).toMatch(/^interface {5}mesh1$/m);
  });

  it("a configuration file that is about another network is passed over, but for where the state is", () => {
    const config = peerConfigSchema.parse({ home: directory, network: "work", mtu: 1300 });
    for (const network of [undefined, "work"]) expect(forNetwork(config, network)).toBe(config);
    expect(forNetwork(config, "home")).toMatchObject({ home: directory, network: undefined, mtu: undefined });
  });

  it.each([
    ["wrok", "Did you mean work? Joined are: home, work."],
    ["homes", "Did you mean home? Joined are: home, work."],
    ["elsewhere", "Joined are: home, work."],
  ])("there is no %s, and it says which there are", (name, hint) => {
    expect(() => requireContext(home, name)).toThrow(
      expect.objectContaining({ code: "not-found", exitStatus: 5, hint }),
    );
  });
});
