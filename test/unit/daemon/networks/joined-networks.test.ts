import { mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silentLogger } from "../../../../src/base/logger.ts";
import { makeCurrent, makeCurrentNoMore, showCurrent } from "../../../../src/daemon/networks/current-network.ts";
import { forgetNetwork } from "../../../../src/daemon/networks/forget-network.ts";
import {
  currentNetwork,
  currentSocketLink,
  type Home,
  listNetworks,
  networkPaths,
  resolveHome,
} from "../../../../src/daemon/networks/home.ts";
import { isOfAnotherNetwork, otherNetworks, requireApart } from "../../../../src/daemon/networks/joined-networks.ts";
import { lockNetwork } from "../../../../src/daemon/networks/network-lock.ts";
import { enrolmentIn, leaveState } from "../../../support/joined-network.ts";

describe("several networks in one home", () => {
  let directory: string;
  let home: Home;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "mesh-networks-"));
    home = resolveHome(directory);
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it("each knows of the others what the disk says; a damaged one and a refused join are left out", async () => {
    await leaveState(home, "home", 91);
    await leaveState(home, "work", 92, { interface: "mesh1" });
    await leaveState(home, "broken", 93);
    writeFileSync(join(directory, "networks", "broken", "enrolment.json"), "{");
    const refused = networkPaths(home, "refused");
    mkdirSync(refused.directory);
    await using _lock = await lockNetwork(refused);
    writeFileSync(refused.logFile, "why");
    expect(listNetworks(home)).toEqual(["broken", "home", "work"]);
    const others = await otherNetworks(home, "home");
    expect(others).toEqual([expect.objectContaining({ network: "work" })]);
    expect(others[0]?.settings?.interface).toBe("mesh1");
  });

  it("a range of one is refused to another, in either family, by name", async () => {
    await leaveState(home, "work", 92);
    const others = await otherNetworks(home, "home");
    expect(() => requireApart(["10.91.0.0/16", "fd91::/48"], others)).not.toThrow();
    for (const range of ["10.92.7.0/24", "10.0.0.0/8", "fd92::/48"]) {
      expect(() => requireApart(["172.30.0.0/16", range], others)).toThrow(
        expect.objectContaining({
          code: "range-conflict",
          exitStatus: 6,
          message: expect.stringMatching(new RegExp(`${range}.*of work, joined here too`)),
          hint: expect.stringContaining("mesh --network work leave"),
        }),
      );
    }
  });

  it("a token of another network that is called alike is told by its CA and its coordinator", () => {
    const joined = enrolmentIn("mesh", 86);
    const pinned = { ...joined, trust: { kind: "pinned-ca" as const, caPem: "", fingerprint: "a".repeat(64) } };
    const [ours] = joined.urls;
    const token = (url: string, caFingerprint?: string) => ({ urls: [url], caFingerprint });
    for (const same of [token(ours!), token(ours!, "b".repeat(64)), token("https://moved:8443", "a".repeat(64))]) {
      expect(isOfAnotherNetwork(same, pinned)).toBe(false);
    }
    expect(isOfAnotherNetwork(token("https://other:8443", "b".repeat(64)), pinned)).toBe(true);
    // What the system's CAs vouch for is told apart by the coordinator itself.
    expect(isOfAnotherNetwork(token("https://other:8443"), joined)).toBe(false);
  });

  it("which one is current is noted in the state, and shown to everybody by a link to its socket", async () => {
    expect(currentNetwork(home)).toBeUndefined();
    await makeCurrent(home, "work");
    const link = currentSocketLink(home);
    rmSync(link);
    await showCurrent(home);
    expect(readlinkSync(link)).toBe("peer-work.sock");
    await makeCurrent(home, "work");
    await makeCurrentNoMore(home, "home");
    expect(currentNetwork(home)).toBe("work");
    await makeCurrentNoMore(home, "work");
    expect(currentNetwork(home)).toBeUndefined();
    expect(() => readlinkSync(link)).toThrow();
  });

  it("one whose files are damaged can be forgotten; the coordinator is not told then", async () => {
    await leaveState(home, "work", 92);
    await makeCurrent(home, "work");
    writeFileSync(join(networkPaths(home, "work").directory, "enrolment.json"), "{");
    expect(await forgetNetwork(home, "work", silentLogger)).toEqual({ deregistered: false });
    expect(listNetworks(home)).toEqual([]);
    expect(currentNetwork(home)).toBeUndefined();
  });
});
