import { describe, expect, it } from "vitest";
import { PeerTable } from "../../../../src/router/data/peer-table.ts";

const FAR = { address: "192.0.2.9", port: 51_820 };
const NEAR = { localAddress: "192.0.2.1" };
const OTHER = { address: "2001:db8::9", port: 51_820 };

describe("peers in the data thread", () => {
  it("forget by which address of ours they know us, and nothing else, when we are in another network", () => {
    const peers = new PeerTable(1420);
    const stock = peers.add(2, false);
    stock.endpoint.set({ ...FAR, ...NEAR });
    const ours = peers.add(5, true);
    ours.setPath(0, { ...FAR, ...NEAR });
    ours.setPath(3, { ...OTHER, localAddress: "2001:db8::1" });
    ours.setPath(4, { pipe: 7 });
    ours.use(0, 3);

    peers.forgetSources();
    expect(stock.endpoint.toReplyEndpoint()).toEqual(FAR);
    expect(ours.endpoint.toReplyEndpoint()).toEqual(FAR);
    expect(ours.path(3)?.endpoint.toReplyEndpoint()).toEqual(OTHER);
    expect(ours.path(4)?.endpoint.toReplyEndpoint()).toEqual({ pipe: 7 });
  });
});
